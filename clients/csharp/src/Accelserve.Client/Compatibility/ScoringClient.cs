using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using Tensorflow.Serving;

namespace Accelserve.Client.Compatibility;

/// <summary>The client of the service's sample of 2018. New code uses <see cref="PredictionClient"/>.</summary>
/// <remarks>
/// It means what the sample's meant: <c>retryCount</c> counts attempts in all; DEADLINE_EXCEEDED, UNAVAILABLE, ABORTED and
/// INTERNAL are tried again; anything else is thrown as it came, and after the last attempt gRPC's own exception. Less its
/// faults: it waits between attempts, reads <c>tensor_content</c>, and refuses to drop a key.
/// </remarks>
public sealed class ScoringClient : IDisposable
{
    private readonly IPredictionServiceClient _client;
    private readonly Endpoint? _endpoint;
    private readonly RetryPolicy _backoff = new();

    /// <summary>A client of a server.</summary>
    /// <param name="host">Name or IP address.</param>
    /// <param name="port">1 to 65535.</param>
    /// <param name="useSsl">Encrypt, and check the server's certificate.</param>
    /// <param name="authKey">Sent as <c>authorization: Bearer KEY</c>; only with <paramref name="useSsl"/>.</param>
    /// <exception cref="ArgumentException">An argument is out of its range, or a key would go out unencrypted.</exception>
    public ScoringClient(string host, int port, bool useSsl = false, string? authKey = null)
    {
        if (!useSsl && !string.IsNullOrEmpty(authKey))
        {
            throw new ArgumentException(
                $"The key would go to {host} without TLS, where anyone on the way can read it. Pass useSsl: true; the sample dropped it.",
                nameof(authKey));
        }

        var options = new PredictionClientOptions { Address = host, Port = port, UseTls = useSsl, AccessToken = authKey };
        options.Validate();
        _endpoint = new Endpoint(ServerAddress.ReadAll(options).Single(), options);
        _client = new StubWithHeaders(_endpoint, new RequestHeaders(options));
    }

    /// <summary>A client of anything that answers.</summary>
    /// <param name="client">Asked once an attempt.</param>
    public ScoringClient(IPredictionServiceClient client) =>
        _client = client ?? throw new ArgumentNullException(nameof(client));

    /// <summary>A client on a channel that the caller made, and closes.</summary>
    /// <param name="channel">Any.</param>
    public ScoringClient(ChannelBase channel)
        : this((channel ?? throw new ArgumentNullException(nameof(channel))).CreateCallInvoker())
    {
    }

    /// <summary>A client on an invoker that the caller made.</summary>
    /// <param name="invoker">Any.</param>
    public ScoringClient(CallInvoker invoker)
        : this(new PredictionServiceClientWrapper(new PredictionService.PredictionServiceClient(invoker)))
    {
    }

    /// <summary>Scores, and gives one output as it is.</summary>
    /// <param name="request">What to score.</param>
    /// <param name="retryCount">Attempts in all, 1 or more.</param>
    /// <param name="output_name">Of the model.</param>
    /// <exception cref="RpcException">The call failed for good.</exception>
    /// <exception cref="KeyNotFoundException">The answer has no such output.</exception>
    /// <exception cref="InvalidCastException">The output has another rank or element type.</exception>
    [SuppressMessage("Naming", "CA1707", Justification = "The sample's name, which its users may write.")]
    public Task<float[]> ScoreAsync(IScoringRequest request, int retryCount = 10, string output_name = "output_alias") =>
        ScoreAsync<float[]>(request, retryCount, output_name);

    /// <summary>Scores, and gives one output as an array.</summary>
    /// <typeparam name="T"><c>float[]</c>, <c>float[,]</c>, ... with as many dimensions as the output.</typeparam>
    /// <inheritdoc cref="ScoreAsync(IScoringRequest, int, string)"/>
    [SuppressMessage("Naming", "CA1707", Justification = "The sample's name, which its users may write.")]
    public async Task<T> ScoreAsync<T>(IScoringRequest request, int retryCount = 10, string output_name = "output_alias")
        where T : class
    {
        var response = await SendAsync(request, retryCount).ConfigureAwait(false);
        return response.Outputs[output_name].Convert<T>();
    }

    /// <summary>Scores, and gives all outputs as arrays.</summary>
    /// <typeparam name="T"><c>float[]</c>, <c>float[,]</c>, ... with as many dimensions as every output.</typeparam>
    /// <inheritdoc cref="ScoreAsync(IScoringRequest, int, string)"/>
    [SuppressMessage("Design", "MA0016", Justification = "The sample's return type.")]
    public async Task<Dictionary<string, T>> PredictAsync<T>(IScoringRequest request, int retryCount = 10)
        where T : class
    {
        var response = await SendAsync(request, retryCount).ConfigureAwait(false);
        return response.Outputs.ToDictionary(
            static output => output.Key, static output => output.Value.Convert<T>(), StringComparer.Ordinal);
    }

    /// <summary>Closes the connection that it made itself.</summary>
    public void Dispose() => _endpoint?.Dispose();

    private async Task<PredictResponse> SendAsync(IScoringRequest request, int retryCount)
    {
        if (retryCount < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(retryCount), retryCount, "A request is sent at least once.");
        }

        var message = (request ?? throw new ArgumentNullException(nameof(request))).MakePredictRequest();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await _client.PredictAsync(message).ConfigureAwait(false);
            }
            catch (RpcException exception) when (attempt < retryCount && IsTriedAgain(exception.StatusCode))
            {
                var longest = _backoff.BackoffAfter(attempt).TotalSeconds;
                await Task.Delay(TimeSpan.FromSeconds(longest * (1 + Chance.Next()) / 2)).ConfigureAwait(false);
            }
        }
    }

    private static bool IsTriedAgain(StatusCode code) => code is
        StatusCode.DeadlineExceeded or StatusCode.Unavailable or StatusCode.Aborted or StatusCode.Internal;

    private sealed class StubWithHeaders(Endpoint endpoint, RequestHeaders headers) : IPredictionServiceClient
    {
        public async Task<PredictResponse> PredictAsync(PredictRequest predictRequest)
        {
            var metadata = await headers.GetAsync(CancellationToken.None).ConfigureAwait(false);
            using var call = endpoint.Predictions.PredictAsync(predictRequest, new CallOptions(metadata));
            return await call.ResponseAsync.ConfigureAwait(false);
        }
    }
}
