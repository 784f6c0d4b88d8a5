using System.Globalization;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Status = Google.Rpc.Status;

namespace Accelserve.Client;

/// <summary>A failed attempt.</summary>
/// <param name="Code">The status code.</param>
/// <param name="Details">The status message, or what was in the way.</param>
/// <param name="RetryAfter">The server's hint.</param>
/// <param name="IsRetryForbidden">The server asks not to be tried again, or it would be no use.</param>
internal readonly record struct Failure(
    StatusCode Code, string Details, TimeSpan? RetryAfter = null, bool IsRetryForbidden = false)
{
    private const string PushbackKey = "grpc-retry-pushback-ms";
    private const string StatusDetailsKey = "grpc-status-details-bin";

    /// <summary>Whether another attempt may end otherwise.</summary>
    /// <remarks>RESOURCE_EXHAUSTED without a hint is a message that is too large, or a quota: as much so at the next
    /// attempt. CANCELLED is not the caller's own here: gRPC's servers answer with it what reaches them while they close
    /// (https://github.com/grpc/grpc/issues/41785).</remarks>
    public bool CanRetryHelp => !IsRetryForbidden
        && (Code is StatusCode.Unavailable or StatusCode.Cancelled
            || (Code == StatusCode.ResourceExhausted && RetryAfter is not null));

    /// <summary>Reads gRPC's exception.</summary>
    /// <param name="exception">Of an attempt.</param>
    /// <param name="endpoint">Where it was made.</param>
    public static Failure Of(RpcException exception, Endpoint endpoint)
    {
        if (Obstacle.Find(exception, endpoint) is { } obstacle)
        {
            return new Failure(obstacle.Code, obstacle.Sentence, IsRetryForbidden: !obstacle.CanPass);
        }

        var pushback = Pushback(exception.Trailers);
        var hint = pushback is { } milliseconds
            ? milliseconds >= 0 ? TimeSpan.FromMilliseconds(milliseconds) : (TimeSpan?)null
            : RetryInfoIn(exception.Trailers);
        return new Failure(exception.StatusCode, exception.Status.Detail, hint, pushback < 0);
    }

    private static int? Pushback(Metadata trailers)
    {
        var entry = trailers.Get(PushbackKey);
        if (entry is null)
        {
            return null;
        }

        // gRPC's retry design reads a value that is no number as "do not retry".
        return int.TryParse(entry.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds)
            ? milliseconds
            : -1;
    }

    private static TimeSpan? RetryInfoIn(Metadata trailers)
    {
        if (trailers.GetValueBytes(StatusDetailsKey) is not { } bytes)
        {
            return null;
        }

        try
        {
            foreach (var detail in Status.Parser.ParseFrom(bytes).Details)
            {
                if (detail.TryUnpack<RetryInfo>(out var info) && info.RetryDelay is { } delay)
                {
                    var seconds = delay.Seconds + (delay.Nanos / 1e9);
                    return TimeSpan.FromSeconds(Math.Min(Math.Max(seconds, 0), int.MaxValue));
                }
            }
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }

        return null;
    }
}
