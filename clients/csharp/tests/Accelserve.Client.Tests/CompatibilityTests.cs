using CSharpClient = Accelserve.Client.Compatibility;
using Accelserve.Client.Compatibility;
using Accelserve.Client.Tests.Peers;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client.Tests;

/// <summary>The sample of 2018: its users' code compiles and means the same.</summary>
public sealed class CompatibilityTests
{
    [Fact]
    public void Images_become_strings_of_an_input_named_images()
    {
        using var one = new MemoryStream([1, 2]);
        using var two = new MemoryStream([3]);
        var request = new ImageRequest(one, two).MakePredictRequest();
        var expected = new PredictRequest
        {
            ModelSpec = new ModelSpec(),
            Inputs =
            {
                ["images"] = new TensorProto
                {
                    Dtype = DataType.DtString,
                    TensorShape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dim { Size = 2 } } },
                    StringVal = { ByteString.CopyFrom(1, 2), ByteString.CopyFrom(3) },
                },
            },
        };
        Assert.Equal(expected, request);
        using var three = new MemoryStream([4]);
        Assert.Equal("Placeholder:0", new ImageRequest("Placeholder:0", three).MakePredictRequest().Inputs.Keys.Single());
    }

    [Fact]
    public void Floats_become_float_val()
    {
        var plain = new FloatRequest(new Dictionary<string, float[]> { ["x"] = [1, 2] }).MakePredictRequest().Inputs["x"];
        Assert.Equal((DataType.DtFloat, 2L), (plain.Dtype, plain.TensorShape.Dim.Single().Size));
        Assert.Equal([1f, 2f], plain.FloatVal);
        var shaped = new FloatRequest(new Dictionary<string, Tuple<float[], int[]>> { ["x"] = Tuple.Create(new float[] { 1, 2 }, new[] { 1, 2 }) });
        Assert.Equal([1L, 2L], shaped.MakePredictRequest().Inputs["x"].TensorShape.Dim.Select(static dim => dim.Size));
    }

    [Fact]
    public void Tensors_convert_to_arrays_of_their_rank()
    {
        var proto = TensorData.Create(new[] { 1f, 2f, 3f, 4f, 5f, 6f }, 2, 3).ToProto();
        Assert.Equal(new[,] { { 1f, 2f, 3f }, { 4f, 5f, 6f } }, proto.Convert<float[,]>());
        var exception = Assert.Throws<InvalidCastException>(() => proto.Convert<float[]>());
        Assert.Equal("A tensor of DT_FLOAT [2, 3] is no Single[].", exception.Message);
        var typed = new TensorProto { Dtype = DataType.DtFloat, TensorShape = TensorShape.Write([2]), FloatVal = { 1, 2 } };
        Assert.Equal(new[] { 1f, 2f }, typed.Convert<float[]>());
    }

    [Theory]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.Aborted)]
    [InlineData(StatusCode.Internal)]
    public async Task Four_codes_are_tried_again_until_the_attempts_are_spent(StatusCode code)
    {
        var stub = new Stub(2, code);
        using var client = new ScoringClient(stub);
        var request = new CountingRequest();
        Assert.Equal(new[] { 0.5f }, await client.ScoreAsync(request, retryCount: 3));
        Assert.Equal((3, 1), (stub.Calls, request.Made));

        var failing = new Stub(2, code);
        using var impatient = new ScoringClient(failing);
        var exception = await Assert.ThrowsAsync<RpcException>(() => impatient.ScoreAsync(new CountingRequest(), retryCount: 2));
        Assert.Same(failing.Thrown, exception);
        Assert.Equal(2, failing.Calls);
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.ResourceExhausted)]
    [InlineData(StatusCode.NotFound)]
    public async Task Every_other_code_is_thrown_as_it_came(StatusCode code)
    {
        var stub = new Stub(1, code);
        using var client = new ScoringClient(stub);
        var exception = await Assert.ThrowsAsync<RpcException>(() => client.PredictAsync<float[]>(new CountingRequest()));
        Assert.Same(stub.Thrown, exception);
        Assert.Equal(1, stub.Calls);
    }

    [Fact]
    public async Task Outputs_are_chosen_by_name()
    {
        using var client = new ScoringClient(new Stub(0, StatusCode.OK));
        Assert.Equal(new[] { 0.5f }, await client.ScoreAsync<float[]>(new CountingRequest(), output_name: "output_alias"));
        Assert.Equal(["output_alias"], (await client.PredictAsync<float[]>(new CountingRequest())).Keys);
        await Assert.ThrowsAsync<KeyNotFoundException>(() => client.ScoreAsync(new CountingRequest(), output_name: "other"));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.ScoreAsync(new CountingRequest(), 0));
    }

    [Fact]
    public async Task Every_constructor_reaches_a_server()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = static (_, _) => Task.FromResult(Stub.Answer());
        using var byAddress = new ScoringClient("127.0.0.1", peer.Port);
        using var channel = GrpcChannel.ForAddress(peer.Address);
        using var byChannel = new ScoringClient(channel);
        using var byInvoker = new ScoringClient(channel.CreateCallInvoker());
        using var byStub = new ScoringClient(new PredictionServiceClientWrapper(new PredictionService.PredictionServiceClient(channel)));
        foreach (var client in new[] { byAddress, byChannel, byInvoker, byStub })
        {
            using var image = new MemoryStream([1]);
            Assert.Equal(new[] { 0.5f }, await client.ScoreAsync(new ImageRequest(image)));
        }
    }

    [Fact]
    public async Task A_user_of_2018_changes_one_using()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = static (request, _) => Task.FromResult(
            request.Inputs.TryGetValue("images", out var images) && images.StringVal.Count == 2
                ? new PredictResponse { Outputs = { ["output_alias"] = TensorData.Create(new float[6], 2, 3).ToProto() } }
                : Stub.Answer());
        var path = Path.GetTempFileName();
        Assert.Equal(new[] { 0.5f }, await UserOf2018.Program.ScoreAnImage("127.0.0.1", peer.Port, path));
        File.Delete(path);
        using var channel = GrpcChannel.ForAddress(peer.Address);
        using var one = new MemoryStream([1]);
        using var two = new MemoryStream([2]);
        Assert.Equal(6, (await UserOf2018.Program.ScoreBatch(channel, one, two)).Length);
        Assert.Equal(["output_alias"], (await UserOf2018.Program.ScoreFloats(peer.Address)).Keys);
        Assert.Equal(0.5f, UserOf2018.Program.Best(Stub.Answer()));
    }

    [Fact]
    public void A_key_without_tls_is_refused_and_not_dropped()
    {
        var exception = Assert.Throws<ArgumentException>(() => new ScoringClient("host", 80, useSsl: false, authKey: "secret"));
        Assert.Contains("host without TLS", exception.Message, StringComparison.Ordinal);
        new ScoringClient("host", 443, useSsl: true, authKey: "secret").Dispose();
    }

    [Fact]
    public async Task Users_of_a_prediction_client_may_bring_a_channel()
    {
        await using var peer = await Peer.StartAsync();
        using var channel = GrpcChannel.ForAddress(peer.Address);
        await using var client = new PredictionClient(channel, new PredictionClientOptions { Retry = Clients.Quick });
        await client.ScoreImageAsync(new byte[3]);
        peer.Service.Predict = Answers.Failing(9, StatusCode.NotFound);
        var exception = await Assert.ThrowsAsync<ModelNotFoundException>(() => client.ScoreImageAsync(new byte[3]));
        Assert.Equal(peer.Target, exception.Target);
    }

    private sealed class CountingRequest : CSharpClient.IScoringRequest
    {
        public int Made { get; private set; }

        public PredictRequest MakePredictRequest()
        {
            Made++;
            return new PredictRequest();
        }
    }

    private sealed class Stub(int failures, StatusCode code) : CSharpClient.IPredictionServiceClient
    {
        public int Calls { get; private set; }

        public RpcException? Thrown { get; private set; }

        public static PredictResponse Answer() => new()
        {
            Outputs = { ["output_alias"] = TensorData.Create(new[] { 0.5f }).ToProto() },
        };

        public Task<PredictResponse> PredictAsync(PredictRequest predictRequest)
        {
            if (Calls++ >= failures)
            {
                return Task.FromResult(Answer());
            }

            Thrown = new RpcException(new Grpc.Core.Status(code, "The reason."));
            return Task.FromException<PredictResponse>(Thrown);
        }
    }
}
