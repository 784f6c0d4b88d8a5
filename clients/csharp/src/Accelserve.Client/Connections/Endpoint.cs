using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>One server and the stubs for it.</summary>
internal sealed class Endpoint : IDisposable
{
    private readonly GrpcChannel? _channel;
    private volatile bool _isServing = true;

    /// <summary>A server with a channel of its own.</summary>
    public Endpoint(ServerAddress address, PredictionClientOptions options)
        : this(address.Target, Open(address, options), address)
    {
    }

    /// <summary>Whatever is behind an invoker that somebody else owns.</summary>
    public Endpoint(string target, CallInvoker invoker)
    {
        Target = target;
        Predictions = new PredictionService.PredictionServiceClient(invoker);
        Models = new ModelService.ModelServiceClient(invoker);
        Health = new Health.HealthClient(invoker);
    }

    private Endpoint(string target, GrpcChannel channel, ServerAddress address)
        : this(target, channel.CreateCallInvoker())
    {
        _channel = channel;
        Address = address;
    }

    public string Target { get; }

    public ServerAddress? Address { get; }

    public PredictionService.PredictionServiceClient Predictions { get; }

    public ModelService.ModelServiceClient Models { get; }

    public Health.HealthClient Health { get; }

    /// <summary>Whether calls should go there; always true of an only server.</summary>
    public bool IsServing
    {
        get => _isServing;
        set => _isServing = value;
    }

    public void Dispose() => _channel?.Dispose();

    private static GrpcChannel Open(ServerAddress address, PredictionClientOptions options)
    {
        var uri = address.UriFor(options.Tls?.ServerName);
        var handler = options.HandlerFactory?.Invoke(uri) ?? HandlerFactory.Create(address, options);
        return GrpcChannel.ForAddress(uri, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxSendMessageSize = options.MaxRequestBytes,
            MaxReceiveMessageSize = options.MaxResponseBytes,
            LoggerFactory = options.LoggerFactory,
        });
    }
}
