using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Accelserve.Client;

/// <summary>Asks <c>grpc.health.v1</c> by a client; with several servers, the next one.</summary>
internal sealed class PredictionClientHealthCheck(PredictionClient client, TimeSpan timeout) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            var health = await client
                .CheckHealthAsync(settings: new CallSettings { Timeout = timeout }, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            return health == ServerHealth.Serving
                ? HealthCheckResult.Healthy()
                : new HealthCheckResult(context.Registration.FailureStatus, $"The server says {health}.");
        }
        catch (PredictionException exception)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, exception.Message, exception);
        }
    }
}
