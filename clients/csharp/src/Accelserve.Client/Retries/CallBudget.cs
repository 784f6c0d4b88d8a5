namespace Accelserve.Client;

/// <summary>The time and the attempts that one call has left. For one call.</summary>
internal struct CallBudget
{
    private readonly RetryPolicy _policy;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _timeout;
    private readonly long _start;

    /// <param name="policy">How often and how patiently.</param>
    /// <param name="timeout">For everything: all attempts and the waits between them; or infinite.</param>
    /// <param name="clock">Time.</param>
    public CallBudget(RetryPolicy policy, TimeSpan timeout, TimeProvider clock)
    {
        _policy = policy;
        _timeout = timeout;
        _clock = clock;
        _start = clock.GetTimestamp();
        Attempts = 0;
    }

    /// <summary>How many attempts were begun.</summary>
    public int Attempts { get; private set; }

    /// <summary>Since the call began.</summary>
    public readonly TimeSpan Elapsed => _clock.GetElapsedTime(_start);

    /// <summary>The time that is left; <see langword="null"/> without a limit.</summary>
    public readonly TimeSpan? Left
    {
        get
        {
            if (_timeout == Timeout.InfiniteTimeSpan)
            {
                return null;
            }

            var left = _timeout - Elapsed;
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>Counts an attempt.</summary>
    /// <returns>When it must be over; <see langword="null"/> without a limit.</returns>
    public DateTime? BeginAttempt()
    {
        Attempts++;
        return Left is { } left ? _clock.GetUtcNow().UtcDateTime + left : null;
    }

    /// <summary>How long to wait before the next attempt; <see langword="null"/> if there is to be none.</summary>
    /// <param name="failure">Of the attempt that is over.</param>
    /// <param name="chance">Uniform between 0 and 1.</param>
    /// <remarks>A wait that would leave no time for the attempt after it is no use: the call fails at once instead.</remarks>
    public readonly TimeSpan? WaitAfter(in Failure failure, double chance)
    {
        if (Attempts >= _policy.MaxAttempts || !failure.CanRetryHelp)
        {
            return null;
        }

        var backoff = _policy.BackoffAfter(Attempts).TotalSeconds;
        var wait = failure.RetryAfter is { } hint
            ? hint + TimeSpan.FromSeconds(backoff * chance)
            : TimeSpan.FromSeconds(backoff * (1 + chance) / 2);
        return Left is not { } left || wait < left ? wait : null;
    }
}
