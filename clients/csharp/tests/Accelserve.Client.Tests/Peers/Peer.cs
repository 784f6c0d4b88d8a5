using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tensorflow.Serving;

namespace Accelserve.Client.Tests.Peers;

/// <summary>How a <see cref="Peer"/> listens.</summary>
internal sealed record PeerSettings
{
    public int Port { get; init; }

    public string? UnixPath { get; init; }

    public HttpProtocols Protocols { get; init; } = HttpProtocols.Http2;

    public X509Certificate2? Certificate { get; init; }

    public bool WantsClientCertificate { get; init; }

    public int? MaxReceiveBytes { get; init; }

    public string? ResponseCompression { get; init; }

    /// <summary>Sees every request before gRPC does, and may answer itself.</summary>
    public Func<HttpContext, RequestDelegate, Task>? Before { get; init; }
}

/// <summary>A gRPC server in this process, whose answers the test decides.</summary>
internal sealed class Peer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Peer(WebApplication app, PeerService service, HealthServiceImpl health, PeerSettings settings)
    {
        (_app, Service, Health) = (app, service, health);
        var url = app.Urls.Single();
        Port = settings.UnixPath is null ? new Uri(url).Port : 0;
        Address = settings.UnixPath is { } path ? $"unix:{path}"
            : $"{(settings.Certificate is null ? "http" : "https")}://127.0.0.1:{Port}";
    }

    public PeerService Service { get; }

    public HealthServiceImpl Health { get; }

    public int Port { get; }

    public string Address { get; }

    /// <summary>What messages call it.</summary>
    public string Target => $"127.0.0.1:{Port}";

    public static async Task<Peer> StartAsync(PeerSettings? settings = null, PeerService? service = null)
    {
        settings ??= new PeerSettings();
        service ??= new PeerService();
        var health = new HealthServiceImpl();
        health.SetStatus("", Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, settings));
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = settings.MaxReceiveBytes ?? int.MaxValue;
            grpc.MaxSendMessageSize = null;
            grpc.ResponseCompressionAlgorithm = settings.ResponseCompression;
            grpc.ResponseCompressionLevel = System.IO.Compression.CompressionLevel.Fastest;
        });
        builder.Services.AddSingleton(service);
        builder.Services.AddSingleton(health);
        builder.Services.AddSingleton<IServiceMethodProvider<PeerService>, PeerMethods>();
        var app = builder.Build();
        if (settings.Before is { } before)
        {
            app.Use(next => context => before(context, next));
        }

        app.MapGrpcService<PeerService>();
        app.MapGrpcService<HealthServiceImpl>();
        await app.StartAsync();
        return new Peer(app, service, health, settings);
    }

    /// <summary>Closes the port; calls under way are cut off.</summary>
    public async Task StopAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
    }

    /// <summary>Takes no more calls, and waits for those under way: GOAWAY.</summary>
    public Task StopGracefullyAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _app.DisposeAsync();
    }

    private static void Listen(KestrelServerOptions kestrel, PeerSettings settings)
    {
        kestrel.Limits.MaxRequestBodySize = null;
        if (settings.UnixPath is { } path)
        {
            kestrel.ListenUnixSocket(path, Configure);
        }
        else
        {
            kestrel.Listen(IPAddress.Loopback, settings.Port, Configure);
        }

        void Configure(ListenOptions listen)
        {
            listen.Protocols = settings.Protocols;
            if (settings.Certificate is { } certificate)
            {
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = certificate;
                    https.ClientCertificateMode = settings.WantsClientCertificate
                        ? ClientCertificateMode.RequireCertificate
                        : ClientCertificateMode.NoCertificate;
                    https.ClientCertificateValidation = (_, _, _) => true;
                });
            }
        }
    }
}

/// <summary>The answers, and what was asked.</summary>
internal sealed class PeerService
{
    public ConcurrentQueue<PredictRequest> Requests { get; } = new();

    public ConcurrentQueue<Metadata> Headers { get; } = new();

    /// <summary>Answers Predict; by default with the lengths of the images.</summary>
    public Func<PredictRequest, ServerCallContext, Task<PredictResponse>> Predict { get; set; } =
        static (request, _) => Task.FromResult(Answers.Lengths(request));

    public Func<GetModelMetadataRequest, ServerCallContext, Task<GetModelMetadataResponse>> Metadata { get; set; } =
        static (_, _) => throw new RpcException(new Status(StatusCode.InvalidArgument, "Metadata field is not supported."));

    public Func<GetModelStatusRequest, ServerCallContext, Task<GetModelStatusResponse>> Status { get; set; } =
        static (_, _) => Task.FromResult(new GetModelStatusResponse());

    public Func<ReloadConfigRequest, ServerCallContext, Task<ReloadConfigResponse>> Reload { get; set; } =
        static (_, _) => Task.FromResult(new ReloadConfigResponse());
}

/// <summary>Ready answers.</summary>
internal static class Answers
{
    /// <summary>Output "lengths": how many bytes each image has.</summary>
    public static PredictResponse Lengths(PredictRequest request)
    {
        var images = request.Inputs.Values.First().StringVal;
        var lengths = new Tensorflow.TensorProto
        {
            Dtype = Tensorflow.DataType.DtInt64,
            TensorShape = new Tensorflow.TensorShapeProto { Dim = { new Tensorflow.TensorShapeProto.Types.Dim { Size = images.Count } } },
        };
        lengths.Int64Val.Add(images.Select(static image => (long)image.Length));
        return new PredictResponse
        {
            Outputs = { ["lengths"] = lengths },
            ModelSpec = new ModelSpec { Name = "lengths", Version = 7, SignatureName = "serving_default" },
        };
    }

    /// <summary>Fails so many calls, then answers.</summary>
    public static Func<PredictRequest, ServerCallContext, Task<PredictResponse>> Failing(
        int times, StatusCode code, params (string Key, object Value)[] trailers)
    {
        var left = times;
        return (request, context) =>
        {
            if (Interlocked.Decrement(ref left) < 0)
            {
                return Task.FromResult(Lengths(request));
            }

            var metadata = new Metadata();
            foreach (var (key, value) in trailers)
            {
                if (value is byte[] bytes)
                {
                    metadata.Add(key, bytes);
                }
                else
                {
                    metadata.Add(key, (string)value);
                }
            }

            throw new RpcException(new Status(code, "The reason."), metadata);
        };
    }
}

/// <summary>Binds the services without generated bases, which the client's package does not have.</summary>
internal sealed class PeerMethods : IServiceMethodProvider<PeerService>
{
    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<PeerService> context)
    {
        context.AddUnaryMethod(
            Unary<PredictRequest, PredictResponse>("tensorflow.serving.PredictionService", "Predict"),
            [],
            static (service, request, call) =>
            {
                service.Requests.Enqueue(request);
                service.Headers.Enqueue(call.RequestHeaders);
                return service.Predict(request, call);
            });
        context.AddUnaryMethod(
            Unary<GetModelMetadataRequest, GetModelMetadataResponse>("tensorflow.serving.PredictionService", "GetModelMetadata"),
            [],
            static (service, request, call) => service.Metadata(request, call));
        context.AddUnaryMethod(
            Unary<GetModelStatusRequest, GetModelStatusResponse>("tensorflow.serving.ModelService", "GetModelStatus"),
            [],
            static (service, request, call) => service.Status(request, call));
        context.AddUnaryMethod(
            Unary<ReloadConfigRequest, ReloadConfigResponse>("tensorflow.serving.ModelService", "HandleReloadConfigRequest"),
            [],
            static (service, request, call) => service.Reload(request, call));
    }

    private static Method<TRequest, TResponse> Unary<TRequest, TResponse>(string service, string name)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        new(MethodType.Unary, service, name, Marshaller<TRequest>(), Marshaller<TResponse>());

    private static Marshaller<T> Marshaller<T>()
        where T : class, IMessage<T>, new()
    {
        var parser = new MessageParser<T>(static () => new T());
        return Marshallers.Create(static message => message.ToByteArray(), parser.ParseFrom);
    }
}
