using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using Status = Grpc.Core.Status;

namespace Accelserve.Client.Tests;

/// <summary>The decision to try again, apart from any network; the Python client's <c>test_retry.py</c>.</summary>
public sealed class RetryTests
{
    private static readonly Endpoint _endpoint = new("host:1", UnusableInvoker.Instance);

    public static TheoryData<string, (string Key, object Value)[], double?, bool> Hints { get; } = new()
    {
        { "none", [], null, false },
        { "pushback", [("grpc-retry-pushback-ms", "250")], 0.25, false },
        { "negative", [("grpc-retry-pushback-ms", "-1")], null, true },
        { "no number", [("grpc-retry-pushback-ms", "?")], null, true },
        { "a fraction", [("grpc-retry-pushback-ms", "1.5")], null, true },
        { "retry info", [("grpc-status-details-bin", Details(new ErrorInfo { Reason = "QUEUE" }, Info(1.5)))], 1.5, false },
        { "past", [("grpc-status-details-bin", Details(Info(-3)))], 0.0, false },
        { "other detail", [("grpc-status-details-bin", Details(new ErrorInfo()))], null, false },
        { "broken", [("grpc-status-details-bin", new byte[] { 255, 255 })], null, false },
        {
            "pushback wins",
            [("grpc-status-details-bin", Details(Info(9))), ("grpc-retry-pushback-ms", "100")],
            0.1,
            false
        },
    };

    [Theory]
    [MemberData(nameof(Hints))]
    public void Hints_are_read_from_the_trailers(
        string name, (string Key, object Value)[] trailers, double? seconds, bool isForbidden)
    {
        var metadata = new Metadata();
        foreach (var (key, value) in trailers)
        {
            metadata.Add(value is byte[] bytes ? new Metadata.Entry(key, bytes) : new Metadata.Entry(key, (string)value));
        }

        var failure = Failure.Of(new RpcException(new Status(StatusCode.Unavailable, name), metadata), _endpoint);

        Assert.Equal((StatusCode.Unavailable, name), (failure.Code, failure.Details));
        Assert.Equal((seconds, isForbidden), (failure.RetryAfter?.TotalSeconds, failure.IsRetryForbidden));
    }

    [Fact]
    public void Only_unavailability_a_closing_servers_answer_and_overload_with_a_hint_are_retried()
    {
        foreach (var code in System.Enum.GetValues<StatusCode>())
        {
            var isUnavailable = code is StatusCode.Unavailable or StatusCode.Cancelled;
            Assert.Equal(isUnavailable, new Failure(code, "").CanRetryHelp);
            Assert.Equal(
                isUnavailable || code == StatusCode.ResourceExhausted,
                new Failure(code, "", TimeSpan.Zero).CanRetryHelp);
            Assert.False(new Failure(code, "", TimeSpan.Zero, IsRetryForbidden: true).CanRetryHelp);
        }
    }

    [Theory]
    [InlineData(0.0, new[] { 0.05, 0.1, 0.2, 0.25, 0.25 })]
    [InlineData(1.0, new[] { 0.1, 0.2, 0.4, 0.5, 0.5 })]
    public void Waits_double_up_to_the_maximum_and_lie_in_their_upper_half(double chance, double[] expected)
    {
        var policy = new RetryPolicy { MaxAttempts = 1000, MaxBackoff = TimeSpan.FromSeconds(0.5) };
        var budget = new CallBudget(policy, TimeSpan.FromSeconds(100), new FakeTimeProvider());
        foreach (var seconds in expected)
        {
            budget.BeginAttempt();
            var wait = budget.WaitAfter(new Failure(StatusCode.Unavailable, ""), chance);
            Assert.Equal(seconds, wait!.Value.TotalSeconds, 6);
        }

        Assert.Equal(0.5, policy.BackoffAfter(100_000).TotalSeconds);
    }

    [Fact]
    public void A_hint_is_waited_for_in_full_and_a_part_of_the_backoff_on_top()
    {
        var budget = new CallBudget(new RetryPolicy(), TimeSpan.FromSeconds(100), new FakeTimeProvider());
        budget.BeginAttempt();
        var failure = new Failure(StatusCode.ResourceExhausted, "", TimeSpan.FromSeconds(3));
        Assert.Equal(3.05, budget.WaitAfter(failure, 0.5)!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void A_wait_that_leaves_no_time_is_not_begun()
    {
        var clock = new FakeTimeProvider();
        var budget = new CallBudget(new RetryPolicy(), TimeSpan.FromSeconds(10), clock);
        budget.BeginAttempt();
        clock.Advance(TimeSpan.FromSeconds(9.95));
        Assert.Null(budget.WaitAfter(new Failure(StatusCode.Unavailable, ""), 0.5));
        Assert.Equal(0.05, budget.Left!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void Without_a_limit_attempts_alone_end_a_call()
    {
        var clock = new FakeTimeProvider();
        var budget = new CallBudget(new RetryPolicy { MaxAttempts = 2 }, System.Threading.Timeout.InfiniteTimeSpan, clock);
        Assert.Null(budget.BeginAttempt());
        clock.Advance(TimeSpan.FromDays(300));
        Assert.NotNull(budget.WaitAfter(new Failure(StatusCode.Unavailable, ""), 1));
        budget.BeginAttempt();
        Assert.Null(budget.WaitAfter(new Failure(StatusCode.Unavailable, ""), 1));
    }

    private static RetryInfo Info(double seconds)
    {
        var whole = Math.Floor(seconds);
        return new RetryInfo
        {
            RetryDelay = new Duration { Seconds = (long)whole, Nanos = (int)((seconds - whole) * 1e9) },
        };
    }

    private static byte[] Details(params IMessage[] messages)
    {
        var status = new Google.Rpc.Status();
        status.Details.AddRange(messages.Select(Any.Pack));
        return status.ToByteArray();
    }
}
