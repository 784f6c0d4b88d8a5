using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Accelserve.Client;

/// <summary>What the client tells of itself: logs, metrics and activities, all under one name. The names of tags and of the
/// call's duration follow OpenTelemetry's semantic conventions for RPCs.</summary>
/// <remarks>An activity spans a call with all its attempts; gRPC's own, one an attempt, are its children and carry the trace
/// to the server.</remarks>
internal sealed partial class CallTelemetry
{
    public const string Name = "Accelserve.Client";

    private static readonly string? _version = typeof(CallTelemetry).Assembly.GetName().Version?.ToString(3);
    private static readonly ActivitySource _source = new(Name, _version);
    private static readonly Meter _meter = new(Name, _version);

    private readonly ILogger _logger;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _retries;

    public CallTelemetry(PredictionClientOptions options)
    {
        _logger = options.LoggerFactory?.CreateLogger(Name) ?? (ILogger)NullLogger.Instance;
#pragma warning disable IDISP001 // The factory owns the meters that it makes, and the process the other.
        var meter = options.MeterFactory?.Create(new MeterOptions(Name) { Version = _version }) ?? _meter;
#pragma warning restore IDISP001
        _duration = meter.CreateHistogram<double>(
            "rpc.client.duration", "s", "Time of a call with all its attempts and the waits between them.");
        _retries = meter.CreateCounter<long>(
            "accelserve.client.retries", "{retry}", "Attempts that followed a failed one.");
    }

    /// <summary>A call begins; dispose of the result, if there is one, when it ends.</summary>
    public static Activity? Begin(string method) => _source.StartActivity(method, ActivityKind.Client);

    /// <summary>A call ended, well or not.</summary>
    /// <param name="activity">What <see cref="Begin"/> gave.</param>
    /// <param name="method">The RPC.</param>
    /// <param name="target">The server of the last attempt.</param>
    /// <param name="code">Its outcome.</param>
    /// <param name="attempts">Times that the request was sent.</param>
    /// <param name="elapsed">From the first attempt's start.</param>
    public void Ended(Activity? activity, string method, string target, StatusCode code, int attempts, TimeSpan elapsed)
    {
        if (_duration.Enabled)
        {
            var tags = new TagList
            {
                { "rpc.system", "grpc" },
                { "rpc.method", method },
                { "server.address", target },
                { "rpc.grpc.status_code", (int)code },
            };
            _duration.Record(elapsed.TotalSeconds, tags);
        }

        activity?.SetTag("rpc.system", "grpc");
        activity?.SetTag("rpc.method", method);
        activity?.SetTag("server.address", target);
        activity?.SetTag("rpc.grpc.status_code", (int)code);
        activity?.SetTag("accelserve.client.attempts", attempts);
        if (code != StatusCode.OK)
        {
            activity?.SetStatus(ActivityStatusCode.Error, StatusNames.Of(code));
        }
    }

    /// <summary>An attempt failed and another follows.</summary>
    public void Retrying(string method, string target, Failure failure, int attempt, TimeSpan wait)
    {
        if (_retries.Enabled)
        {
            _retries.Add(1, new TagList
            {
                { "rpc.method", method },
                { "server.address", target },
                { "rpc.grpc.status_code", (int)failure.Code },
            });
        }

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
