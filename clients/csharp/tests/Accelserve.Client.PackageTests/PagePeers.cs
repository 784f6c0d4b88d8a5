using System.Security.Cryptography.X509Certificates;
using Accelserve.Client.Tests.Peers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client.Packages;

/// <summary>The servers that the pages speak of.</summary>
internal sealed class PagePeers : IAsyncDisposable
{
    private readonly Authority _authority;
    private readonly X509Certificate2 _certificate;
    private readonly X509Certificate2 _client;

    private PagePeers(Authority authority, X509Certificate2 certificate, Peer plain, Peer second, Peer secure)
    {
        (_authority, _certificate, Plain, Second, Secure) = (authority, certificate, plain, second, secure);
        _client = authority.Issue("client");
    }

    public Peer Plain { get; }

    public Peer Second { get; }

    /// <summary>Asks for a certificate.</summary>
    public Peer Secure { get; }

    public static async Task<PagePeers> StartAsync()
    {
        var authority = new Authority("page");
        var certificate = authority.Issue("server");
        return new PagePeers(
            authority,
            certificate,
            await Peer.StartAsync(service: Service()),
            await Peer.StartAsync(service: Service()),
            await Peer.StartAsync(new PeerSettings { Certificate = certificate, WantsClientCertificate = true }, Service()));
    }

    /// <summary>The page's addresses replaced by those of the servers.</summary>
    public string Address(string text) => text
        .Replace("\"localhost\", 8500", $"\"127.0.0.1\", {Plain.Port}", StringComparison.Ordinal)
        .Replace("localhost:8500", Plain.Target, StringComparison.Ordinal)
        .Replace("one.example:8500", Plain.Target, StringComparison.Ordinal)
        .Replace("two.example:8500", Second.Target, StringComparison.Ordinal)
        .Replace("secure.example:8500", Secure.Target, StringComparison.Ordinal);

    /// <summary>The page's files: pictures and certificates.</summary>
    public void WriteFiles(UserProject project)
    {
        byte[] jpeg = [0xFF, 0xD8, 0xFF, 0xE0];
        project.Write("photo.jpg", jpeg);
        project.Write("photographs/a.jpg", jpeg);
        project.Write("photographs/b.png", "no picture");
        project.Write("photographs/c.jpg", jpeg);
        project.Write("ca.pem", _authority.Pem);
        project.Write("client.pem", _client.ExportCertificatePem());
        using var key = _client.GetECDsaPrivateKey()!;
        project.Write("client.key", key.ExportPkcs8PrivateKeyPem());
    }

    public async ValueTask DisposeAsync()
    {
        await Plain.DisposeAsync();
        await Second.DisposeAsync();
        await Secure.DisposeAsync();
        _client.Dispose();
        _certificate.Dispose();
        _authority.Dispose();
    }

    private static PeerService Service() => new()
    {
        Predict = static (request, _) => Task.FromResult(Answer(request)),
        Metadata = static (_, _) => Task.FromResult(Metadata()),
        Status = static (_, _) => Task.FromResult(new GetModelStatusResponse
        {
            ModelVersionStatus = { new ModelVersionStatus { Version = 1, State = ModelVersionStatus.Types.State.Available } },
        }),
    };

    /// <summary>A network of three classes: a classifier, its features, and a detector, by signature.</summary>
    private static PredictResponse Answer(PredictRequest request)
    {
        var input = request.Inputs.Values.Single();
        if (input.StringVal.Any(static image => !image.Span.StartsWith([(byte)0xFF, (byte)0xD8])))
        {
            throw new RpcException(new Grpc.Core.Status(
                StatusCode.InvalidArgument, "Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required."));
        }

        var count = (int)input.TensorShape.Dim[0].Size;
        var response = new PredictResponse();
        foreach (var (name, row, shape) in Outputs(request.ModelSpec.SignatureName))
        {
            var rows = Enumerable.Repeat(row, count).SelectMany(static each => each).ToArray();
            response.Outputs[name] = TensorData.Create(rows, [count, .. shape]).ToProto();
        }

        return response;
    }

    private static (string Name, float[] Row, long[] Shape)[] Outputs(string signature) => signature switch
    {
        "features" => [("features", [1, 2, 3, 4], [4])],
        "detection" =>
        [
            ("detection_boxes", [0.1f, 0.1f, 0.5f, 0.5f, 0, 0, 1, 1], [2, 4]),
            ("detection_scores", [0.9f, 0.1f], [2]),
            ("detection_classes", [1, 0], [2]),
            ("num_detections", [2], []),
        ],
        _ => [("output_alias", [0.7f, 0.2f, 0.1f], [3])],
    };

    private static GetModelMetadataResponse Metadata()
    {
        var signature = new SignatureDef { MethodName = "tensorflow/serving/predict" };
        signature.Inputs["images"] = new TensorInfo { Dtype = DataType.DtString };
        var labels = new TensorProto { Dtype = DataType.DtString };
        labels.StringVal.Add(new[] { "tabby", "tiger cat", "lynx" }.Select(ByteString.CopyFromUtf8));
        return new GetModelMetadataResponse
        {
            Metadata =
            {
                ["signature_def"] = Any.Pack(new SignatureDefMap { SignatureDef = { ["serving_default"] = signature } }),
                ["labels"] = Any.Pack(labels),
            },
        };
    }
}
