namespace Accelserve.Client.Tests.Peers;

/// <summary>Clients for tests.</summary>
internal static class Clients
{
    public static readonly RetryPolicy Quick = new()
    {
        InitialBackoff = TimeSpan.FromMilliseconds(1),
        MaxBackoff = TimeSpan.FromMilliseconds(2),
    };

    public static readonly RetryPolicy Patient = new()
    {
        MaxAttempts = 10_000,
        InitialBackoff = TimeSpan.FromMilliseconds(10),
        MaxBackoff = TimeSpan.FromMilliseconds(50),
    };

    /// <summary>One that retries at once, and gives up only when a test must have failed.</summary>
    public static PredictionClient Of(string address, Action<PredictionClientOptions>? change = null)
    {
        var options = new PredictionClientOptions { Address = address, Retry = Quick, Timeout = Wait.Patience };
        change?.Invoke(options);
        return new PredictionClient(options);
    }
}
