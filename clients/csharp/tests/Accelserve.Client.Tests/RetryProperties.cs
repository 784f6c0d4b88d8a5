using CsCheck;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace Accelserve.Client.Tests;

public sealed class RetryProperties
{
    private static readonly Gen<Failure> _failures = Gen.Select(
        Gen.Int[0, 16], Gen.Bool, Gen.Double[0, 1e6], Gen.Bool, static (code, hasHint, seconds, isForbidden) =>
            new Failure((StatusCode)code, "x", hasHint ? TimeSpan.FromSeconds(seconds) : null, isForbidden));

    [Fact]
    public void No_call_outlives_its_deadline_or_its_attempts() => Gen.Select(
        Gen.Select(Gen.Int[1, 100], Gen.Double[1e-6, 100], Gen.Double[1, 1e6]),
        _failures.Array[1, 30],
        Gen.Double[1e-3, 1e4],
        Gen.Double.Unit,
        Gen.Double[0, 10]).Sample(static (parts, failures, seconds, chance, callSeconds) =>
    {
        var (attempts, initial, factor) = parts;
        var policy = new RetryPolicy
        {
            MaxAttempts = attempts,
            InitialBackoff = TimeSpan.FromSeconds(initial),
            MaxBackoff = TimeSpan.FromSeconds(initial * factor),
        };
        var clock = new FakeTimeProvider();
        var timeout = TimeSpan.FromSeconds(seconds);
        var end = clock.GetUtcNow() + timeout;
        var budget = new CallBudget(policy, timeout, clock);
        foreach (var failure in failures)
        {
            budget.BeginAttempt();
            clock.Advance(TimeSpan.FromSeconds(callSeconds));
            if (budget.WaitAfter(failure, chance) is not { } wait)
            {
                break;
            }

            Assert.True(failure.CanRetryHelp);
            Assert.True(wait >= (failure.RetryAfter ?? TimeSpan.Zero));
            Assert.True(clock.GetUtcNow() + wait < end);
            clock.Advance(wait);
        }

        Assert.InRange(budget.Attempts, 1, attempts);
    });
}
