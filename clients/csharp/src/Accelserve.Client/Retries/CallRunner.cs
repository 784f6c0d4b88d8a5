using Grpc.Core;

namespace Accelserve.Client;

/// <summary>Sends calls: to which server, how often, how long, with which headers.</summary>
internal sealed class CallRunner : IDisposable
{
    private readonly PredictionClientOptions _options;
    private readonly EndpointPool _pool;
    private readonly RequestHeaders _headers;
    private readonly CallTelemetry _telemetry;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _watching;
    private volatile bool _isClosed;

    private CallRunner(EndpointPool pool, PredictionClientOptions options, TimeProvider clock)
    {
        _pool = pool;
        _options = options;
        _clock = clock;
        _headers = new RequestHeaders(options);
        _telemetry = new CallTelemetry(options);
        _watching = Watch(_closing.Token);
    }

    public IReadOnlyList<Endpoint> Endpoints => _pool.All;

    /// <summary>With connections of its own.</summary>
    /// <exception cref="ArgumentException">A certificate cannot be used.</exception>
    /// <exception cref="IOException">A certificate's file cannot be read.</exception>
    public static CallRunner Connect(PredictionClientOptions options) => new(
        new EndpointPool(ServerAddress.ReadAll(options).Select(address => new Endpoint(address, options))),
        options,
        TimeProvider.System);

    /// <summary>Over somebody else's connection.</summary>
    public static CallRunner On(Endpoint endpoint, PredictionClientOptions options, TimeProvider? clock = null) =>
        new(new EndpointPool([endpoint]), options, clock ?? TimeProvider.System);

    /// <summary>Sends a request until it is answered, or cannot be.</summary>
    /// <param name="method">The RPC.</param>
    /// <param name="request">Not changed.</param>
    /// <param name="timeout">For all of it; the client's if none.</param>
    /// <param name="cancellationToken">Of the caller.</param>
    /// <param name="only">The one server to ask; any if none.</param>
    /// <exception cref="CallException">It cannot.</exception>
    public async Task<TResponse> RunAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method,
        TRequest request,
        TimeSpan? timeout,
        CancellationToken cancellationToken,
        Endpoint? only = null)
    {
        var budget = new CallBudget(_options.Retry, RequireTimeout(timeout ?? _options.Timeout), _clock);
        var endpoint = only;
        var outcome = StatusCode.Cancelled; // what ends a call between two attempts
        using var activity = CallTelemetry.Begin(method.Name);
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                RequireOpen();
                endpoint = only ?? _pool.Next(endpoint);
                var headers = await _headers.GetAsync(cancellationToken).ConfigureAwait(false);
                TimeSpan wait;
                try
                {
                    using var call = method.Start(
                        endpoint, request, new CallOptions(headers, budget.BeginAttempt(), cancellationToken));
                    var response = await call.ResponseAsync.ConfigureAwait(false);
                    outcome = StatusCode.OK;
                    return response;
                }
                catch (RpcException exception)
                {
                    outcome = exception.StatusCode;
                    wait = WaitOrThrow(exception, endpoint, method.Name, ref budget, cancellationToken);
                }
                catch (ObjectDisposedException)
                {
                    RequireOpen();
                    throw;
                }

                outcome = StatusCode.Cancelled;
                await WaitAsync(wait, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _telemetry.Ended(
                activity, method.Name, (endpoint ?? _pool.All[0]).Target, outcome, budget.Attempts, budget.Elapsed);
        }
    }

    /// <summary>Ends the watches; calls fail from here on.</summary>
    public async Task StopAsync()
    {
        Close();
        await _watching.ConfigureAwait(false);
    }

    public void Dispose()
    {
        Close();
        _pool.Dispose();
    }

    /// <summary>After a failed attempt: how long to wait, or why there is none after it.</summary>
    private TimeSpan WaitOrThrow(
        RpcException exception, Endpoint endpoint, string method, ref CallBudget budget, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested && exception.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException("The caller cancelled the call.", exception, cancellationToken);
        }

        RequireOpen();
        var failure = Failure.Of(exception, endpoint);
        if (budget.WaitAfter(failure, Chance.Next()) is { } wait)
        {
            _telemetry.Retrying(method, endpoint.Target, failure, budget.Attempts, wait);
            return wait;
        }

        throw new CallFailure
        {
            StatusCode = failure.Code,
            Details = failure.Details,
            Method = method,
            Target = endpoint.Target,
            Attempts = budget.Attempts,
            RetryAfter = failure.RetryAfter,
            InnerException = exception,
        }.ToException();
    }

    private async Task WaitAsync(TimeSpan wait, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        try
        {
            await Waits.DelayAsync(_clock, wait, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            RequireOpen();
            throw;
        }
    }

    private Task Watch(CancellationToken cancellationToken) =>
        _options.WatchHealth && _pool.All.Count > 1
            ? Task.WhenAll(_pool.All.Select(endpoint =>
                Task.Run(() => new HealthWatcher(endpoint, _headers, _telemetry).RunAsync(cancellationToken), CancellationToken.None)))
            : Task.CompletedTask;

    private void Close()
    {
        _isClosed = true;
        _closing.Cancel();
    }

    private void RequireOpen()
    {
        if (_isClosed)
        {
            throw new ObjectDisposedException(nameof(PredictionClient), $"The client of {_pool.Target} is closed.");
        }
    }

    private static TimeSpan RequireTimeout(TimeSpan timeout) =>
        timeout > TimeSpan.Zero || timeout == Timeout.InfiniteTimeSpan
            ? timeout
            : throw new ArgumentException($"Timeout: expected more than 0, got {timeout:c}.", nameof(timeout));
}

/// <summary>Waiting on any clock.</summary>
internal static class Waits
{
    public static Task DelayAsync(TimeProvider clock, TimeSpan wait, CancellationToken cancellationToken) =>
#if NET
        Task.Delay(wait, clock, cancellationToken);
#else
        clock.Delay(wait, cancellationToken);
#endif
}

/// <summary>Spreads retries; no secret hangs on it.</summary>
internal static class Chance
{
#if NET
    public static double Next() => Random.Shared.NextDouble();
#else
    private static readonly Random _random = new();

    public static double Next()
    {
        lock (_random)
        {
            return _random.NextDouble();
        }
    }
#endif
}
