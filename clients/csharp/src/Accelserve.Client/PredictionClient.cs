using Grpc.Core;
using Grpc.Health.V1;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>Scores images and tensors on servers that speak TensorFlow Serving's gRPC API.</summary>
/// <remarks>
/// <para>Thread-safe: one client serves a whole program, over as many connections as it needs, which it opens at the first
/// call and again when they are lost.</para>
/// <para>Every method that calls a server throws a <see cref="PredictionException"/> when it gets no result (the tree
/// stands at the top of <c>Errors/PredictionException.cs</c>), an <see cref="ArgumentException"/> when its arguments make
/// no request, an <see cref="OperationCanceledException"/> when its caller cancels, and an
/// <see cref="ObjectDisposedException"/> when the client is disposed.</para>
/// <para>The methods are virtual and there is a constructor without arguments, so that tests of other code can put
/// something in their place.</para>
/// </remarks>
public partial class PredictionClient : IAsyncDisposable, IDisposable
{
    private readonly PredictionClientOptions _options;
    private readonly CallRunner _calls;

    /// <summary>A client of one server, or of several separated by commas.</summary>
    /// <param name="address">See <see cref="PredictionClientOptions.Address"/>.</param>
    /// <exception cref="ArgumentException">The address cannot be read.</exception>
    public PredictionClient(string address)
        : this(new PredictionClientOptions { Address = address })
    {
    }

    /// <summary>A client.</summary>
    /// <param name="options">Read once; later changes change nothing.</param>
    /// <exception cref="ArgumentException">A setting is out of its range, or two contradict each other.</exception>
    /// <exception cref="IOException">A certificate's file cannot be read.</exception>
    public PredictionClient(PredictionClientOptions options)
    {
        (options ?? throw new ArgumentNullException(nameof(options))).Validate();
        _options = options.Copy();
        _calls = CallRunner.Connect(_options);
    }

    /// <summary>A client on a channel that the caller made, and closes.</summary>
    /// <param name="channel">Addresses, TLS, limits and proxy are its business.</param>
    /// <param name="options">The rest: model, key, timeouts, retries.</param>
    public PredictionClient(ChannelBase channel, PredictionClientOptions? options = null)
        : this(
            (channel ?? throw new ArgumentNullException(nameof(channel))).CreateCallInvoker(), channel.Target, options)
    {
    }

    /// <summary>A client on an invoker that the caller made: with interceptors, for instance.</summary>
    /// <param name="invoker">Addresses, TLS, limits and proxy are its business.</param>
    /// <param name="target">What messages call the server.</param>
    /// <param name="options">The rest: model, key, timeouts, retries.</param>
    public PredictionClient(CallInvoker invoker, string target = "the server", PredictionClientOptions? options = null)
    {
        _options = options?.Copy() ?? new PredictionClientOptions();
        _options.Retry.Validate();
        _options.Model.Validate();
        _calls = CallRunner.On(new Endpoint(target, invoker ?? throw new ArgumentNullException(nameof(invoker))), _options);
    }

    /// <summary>For derived classes that override every method they use.</summary>
    protected PredictionClient()
        : this(UnusableInvoker.Instance, "a derived client")
    {
    }

    /// <summary>Which model answers when a call does not say.</summary>
    public virtual ModelSelection Model => _options.Model;

    /// <summary>Scores an image file. See <see cref="ScoreImageAsync"/>.</summary>
    /// <param name="path">JPEG or PNG, or what else the model reads.</param>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public virtual async Task<Prediction> ScoreFileAsync(
        string path, CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var image = await Files.ReadAsync(path, cancellationToken).ConfigureAwait(false);
        return await ScoreImageAsync(image, settings, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Scores an encoded image.</summary>
    /// <param name="image">The bytes of a JPEG or PNG file. They are sent as they lie, without a copy: do not change them
    /// before the call is over.</param>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <returns>The outputs, without the batch dimension.</returns>
    public virtual async Task<Prediction> ScoreImageAsync(
        ReadOnlyMemory<byte> image, CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = Requests.Image(image, settings, _options);
        var response = await PredictAsync(request, settings, cancellationToken).ConfigureAwait(false);
        return Responses.Read(response, settings?.Outputs, _options.MaxResponseBytes).WithoutBatch();
    }

    /// <summary>Scores encoded images in one request.</summary>
    /// <param name="images">Not copied; see <see cref="ScoreImageAsync"/>.</param>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <returns>The outputs; the first dimension of each is the image. <see cref="Prediction.SplitBatch"/> parts them.</returns>
    public virtual async Task<Prediction> ScoreImagesAsync(
        IEnumerable<ReadOnlyMemory<byte>> images,
        CallSettings? settings = null,
        CancellationToken cancellationToken = default)
    {
        var request = Requests.Images(images, settings, _options);
        var response = await PredictAsync(request, settings, cancellationToken).ConfigureAwait(false);
        return Responses.Read(response, settings?.Outputs, _options.MaxResponseBytes);
    }

    /// <summary>Scores tensors, by input name. The batch dimension stays.</summary>
    /// <param name="inputs">Not copied: do not change their memory before the call is over.</param>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual async Task<Prediction> ScoreTensorsAsync(
        IEnumerable<KeyValuePair<string, TensorData>> inputs,
        CallSettings? settings = null,
        CancellationToken cancellationToken = default)
    {
        var request = Requests.Tensors(inputs, settings, _options);
        var response = await PredictAsync(request, settings, cancellationToken).ConfigureAwait(false);
        return Responses.Read(response, settings?.Outputs, _options.MaxResponseBytes);
    }

    /// <summary>Sends a request as it is; for everything that the methods above do not do.</summary>
    /// <param name="request">Not changed.</param>
    /// <param name="settings">Its timeout alone is used.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual Task<PredictResponse> PredictAsync(
        PredictRequest request, CallSettings? settings = null, CancellationToken cancellationToken = default) =>
        _calls.RunAsync(
            Methods.Predict,
            request ?? throw new ArgumentNullException(nameof(request)),
            settings?.Timeout,
            cancellationToken);

    /// <summary>What a model takes and gives.</summary>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual async Task<ModelDescription> DescribeModelAsync(
        CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = Requests.Metadata(ModelDescription.SignatureField, settings, _options);
        return ModelDescription.From(
            await _calls.RunAsync(Methods.GetModelMetadata, request, settings?.Timeout, cancellationToken)
                .ConfigureAwait(false));
    }

    /// <summary>The names of a model's classes; none from a server that does not know them, or no such question.</summary>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual async Task<IReadOnlyList<string>> LabelsAsync(
        CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = Requests.Metadata(Labels.MetadataField, settings, _options);
        try
        {
            return Labels.From(
                await _calls.RunAsync(Methods.GetModelMetadata, request, settings?.Timeout, cancellationToken)
                    .ConfigureAwait(false));
        }
        catch (CallException exception) when (exception.StatusCode is StatusCode.InvalidArgument or StatusCode.Unimplemented)
        {
            // TensorFlow Serving refuses the question.
            return [];
        }
    }

    /// <summary>How the versions of a model are doing, newest first; of one version if the selection names it.</summary>
    /// <param name="settings">What this call wants otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual async Task<IReadOnlyList<VersionStatus>> ModelStatusAsync(
        CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = new GetModelStatusRequest { ModelSpec = Requests.Spec(settings, _options) };
        return VersionStatus.From(
            await _calls.RunAsync(Methods.GetModelStatus, request, settings?.Timeout, cancellationToken)
                .ConfigureAwait(false));
    }

    /// <summary>What a server says of itself, by <c>grpc.health.v1</c>. With several servers the next one is asked.</summary>
    /// <param name="service">Of the server; empty is all of it.</param>
    /// <param name="settings">Its timeout alone is used.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    public virtual async Task<ServerHealth> CheckHealthAsync(
        string service = "", CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = new HealthCheckRequest { Service = service };
        var response = await _calls.RunAsync(Methods.CheckHealth, request, settings?.Timeout, cancellationToken)
            .ConfigureAwait(false);
        return response.Status switch
        {
            HealthCheckResponse.Types.ServingStatus.Serving => ServerHealth.Serving,
            HealthCheckResponse.Types.ServingStatus.NotServing => ServerHealth.NotServing,
            _ => ServerHealth.Unknown,
        };
    }

    /// <summary>Tells every server of the client which models to serve.</summary>
    /// <param name="config">The complete wanted state: a model that is left out is unloaded.</param>
    /// <param name="settings">Its timeout alone is used.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <exception cref="CallException">A server refuses; those before it have changed.</exception>
    public virtual async Task ReloadConfigAsync(
        ModelServerConfig config, CallSettings? settings = null, CancellationToken cancellationToken = default)
    {
        var request = new ReloadConfigRequest { Config = config ?? throw new ArgumentNullException(nameof(config)) };
        foreach (var endpoint in _calls.Endpoints)
        {
            var response = await _calls.RunAsync(
                Methods.ReloadConfig, request, settings?.Timeout, cancellationToken, endpoint).ConfigureAwait(false);
            Methods.RequireOk(response.Status, Methods.ReloadConfig.Name, endpoint.Target);
        }
    }

    /// <summary>Closes the connections. Calls that are under way fail with <see cref="ObjectDisposedException"/>. May be
    /// called again.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    public async ValueTask DisposeAsync()
    {
        await _calls.StopAsync().ConfigureAwait(false);
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the connections.</summary>
    /// <param name="disposing">Whether managed resources are to be released.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _calls.Dispose();
        }
    }
}
