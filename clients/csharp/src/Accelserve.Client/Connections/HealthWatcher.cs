using Grpc.Core;
using Grpc.Health.V1;

namespace Accelserve.Client;

/// <summary>Keeps an eye on one of several servers: <c>grpc.health.v1.Health/Watch</c>, for as long as the client
/// lives.</summary>
internal sealed class HealthWatcher(Endpoint endpoint, RequestHeaders headers, CallTelemetry telemetry)
{
    /// <summary>Between attempts to reach a server that is away. With the time of a connection this stays below the five
    /// seconds in which a server that is back must be in use.</summary>
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    /// <summary>Between looks at a server that offers no health service.</summary>
    private static readonly TimeSpan _longPause = TimeSpan.FromSeconds(30);

    private static readonly HealthCheckRequest _request = new();

    /// <summary>Runs until cancelled; throws nothing.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var pause = await WatchAsync(cancellationToken).ConfigureAwait(false);
                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Follows one stream to its end.</summary>
    /// <returns>How long to wait before the next.</returns>
    private async Task<TimeSpan> WatchAsync(CancellationToken cancellationToken)
    {
        try
        {
            var metadata = await headers.GetAsync(cancellationToken).ConfigureAwait(false);
            using var call = endpoint.Health.Watch(_request, new CallOptions(metadata, cancellationToken: cancellationToken));
            while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
            {
                Set(call.ResponseStream.Current.Status == HealthCheckResponse.Types.ServingStatus.Serving);
            }

            Set(false);
        }
        catch (RpcException exception) when (OffersNoHealth(exception.StatusCode))
        {
            // It answers, which is all that can be known of it.
            Set(true);
            return _longPause;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // A key provider may throw anything, and the watch must go on; gRPC has a status for our own cancellation.
            if (!cancellationToken.IsCancellationRequested)
            {
                Set(false);
            }
        }

        return _pause;
    }

    private static bool OffersNoHealth(StatusCode code) =>
        code is StatusCode.Unimplemented or StatusCode.NotFound or StatusCode.Unauthenticated or StatusCode.PermissionDenied;

    private void Set(bool isServing)
    {
        if (endpoint.IsServing != isServing)
        {
            endpoint.IsServing = isServing;
            telemetry.HealthChanged(endpoint.Target, isServing);
        }
    }
}
