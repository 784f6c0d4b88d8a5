using Tensorflow.Serving;

namespace Accelserve.Client.Compatibility;

/// <summary>What a <see cref="ScoringClient"/> asks; for tests to put something in its place.</summary>
public interface IPredictionServiceClient
{
    /// <summary>Sends a request once.</summary>
    /// <param name="predictRequest">Not changed.</param>
    Task<PredictResponse> PredictAsync(PredictRequest predictRequest);
}

/// <summary>The generated stub as an <see cref="IPredictionServiceClient"/>.</summary>
public sealed class PredictionServiceClientWrapper : IPredictionServiceClient
{
    private readonly PredictionService.PredictionServiceClient _client;

    /// <summary>Makes one.</summary>
    /// <param name="predictionServiceClient">The stub.</param>
    public PredictionServiceClientWrapper(PredictionService.PredictionServiceClient predictionServiceClient) =>
        _client = predictionServiceClient ?? throw new ArgumentNullException(nameof(predictionServiceClient));

    /// <inheritdoc/>
    public async Task<PredictResponse> PredictAsync(PredictRequest predictRequest)
    {
        using var call = _client.PredictAsync(predictRequest);
        return await call.ResponseAsync.ConfigureAwait(false);
    }
}
