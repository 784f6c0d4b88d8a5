using System.Globalization;

namespace Accelserve.Client;

/// <summary>When a failed call is sent again. UNAVAILABLE is; RESOURCE_EXHAUSTED only when the server says when to come
/// back; nothing else, since a wrong request stays wrong and a call without an answer in time has no time left.</summary>
/// <remarks>The wait before attempt n + 1 lies, by chance, between half and the whole of
/// <see cref="InitialBackoff"/> * 2^(n - 1), at most <see cref="MaxBackoff"/>, so that clients which failed together do
/// not come back together. A server's hint is waited for in full, and a random part of the backoff on top.</remarks>
public sealed record RetryPolicy
{
    /// <summary>Times that a request is sent at most; 1 never retries.</summary>
    public int MaxAttempts { get; init; } = 4;

    /// <summary>Longest wait after the first failure.</summary>
    public TimeSpan InitialBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest wait after any failure; not below <see cref="InitialBackoff"/>.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(2);

    internal void Validate()
    {
        if (MaxAttempts < 1)
        {
            throw new ArgumentException(
                $"MaxAttempts: a request is sent at least once, got {MaxAttempts.ToString(CultureInfo.InvariantCulture)}.");
        }

        if (InitialBackoff <= TimeSpan.Zero || InitialBackoff > MaxBackoff)
        {
            throw new ArgumentException(
                $"Expected 0 < InitialBackoff <= MaxBackoff, got {InitialBackoff:c} and {MaxBackoff:c}.");
        }
    }

    /// <summary>The longest wait after the <paramref name="attempt"/>-th failure (from 1), without a hint.</summary>
    internal TimeSpan BackoffAfter(int attempt)
    {
        // Doubles do not overflow before the exponent is far beyond any attempt, and the maximum cuts them off.
        var seconds = InitialBackoff.TotalSeconds * Math.Pow(2, Math.Min(attempt - 1, 60));
        return seconds < MaxBackoff.TotalSeconds ? TimeSpan.FromSeconds(seconds) : MaxBackoff;
    }
}
