using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Accelserve.Client;

/// <summary>What the client tells of itself.</summary>
internal sealed partial class CallTelemetry
{
    private readonly ILogger _logger;

    public CallTelemetry(PredictionClientOptions options) =>
        _logger = options.LoggerFactory?.CreateLogger("Accelserve.Client") ?? (ILogger)NullLogger.Instance;

    /// <summary>An attempt failed and another follows.</summary>
    public void Retrying(string method, string target, Failure failure, int attempt, TimeSpan wait)
    {
        if (_logger.IsEnabled(LogLevel.Warning))
        {
            LogRetry(method, target, StatusNames.Of(failure.Code), failure.Details, attempt, wait.TotalMilliseconds);
        }
    }

    /// <summary>A server joined or left those that are asked.</summary>
    public void HealthChanged(string target, bool isServing) => LogHealth(target, isServing ? "serving" : "not serving");

    [LoggerMessage(1, LogLevel.Warning,
        "{Method} at {Target} failed in attempt {Attempt}: {Status}: {Details} Trying again in {WaitMilliseconds:F0} ms.")]
    private partial void LogRetry(
        string method, string target, string status, string details, int attempt, double waitMilliseconds);

    [LoggerMessage(2, LogLevel.Information, "{Target} is {Health}.")]
    private partial void LogHealth(string target, string health);
}
