using System.Globalization;
using Grpc.Core;

namespace Accelserve.Client;

/// <summary>The call failed with a gRPC status. The inner exception is gRPC's own.</summary>
public abstract class CallException : PredictionException
{
    private protected CallException(CallFailure failure)
        : base(failure.Sentence, failure.InnerException)
    {
        StatusCode = failure.StatusCode;
        Details = failure.Details;
        Method = failure.Method;
        Target = failure.Target;
        Attempts = failure.Attempts;
        RetryAfter = failure.RetryAfter;
    }

    /// <summary>The status code.</summary>
    public StatusCode StatusCode { get; }

    /// <summary>The server's own words; for a call that reached no gRPC server, what was in the way.</summary>
    public string Details { get; }

    /// <summary>The RPC, <c>/tensorflow.serving.PredictionService/Predict</c> for instance.</summary>
    public string Method { get; }

    /// <summary>The server that failed last, <c>localhost:8500</c> for instance.</summary>
    public string Target { get; }

    /// <summary>How many times the request was sent, at least once.</summary>
    public int Attempts { get; }

    /// <summary>Time after which the server asks to be tried again; <see langword="null"/> where it said nothing.</summary>
    public TimeSpan? RetryAfter { get; }
}

/// <summary>What a <see cref="CallException"/> says; for tests of code that handles them.</summary>
public sealed record CallFailure
{
    /// <summary>The status code.</summary>
    public required StatusCode StatusCode { get; init; }

    /// <summary>The server's own words.</summary>
    public string Details { get; init; } = "";

    /// <summary>The RPC's full name.</summary>
    public string Method { get; init; } = "";

    /// <summary>The server.</summary>
    public string Target { get; init; } = "";

    /// <summary>How many times the request was sent.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>The server's hint.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>gRPC's own exception.</summary>
    public Exception? InnerException { get; init; }

    internal string Sentence
    {
        get
        {
            var name = Method.Substring(Method.LastIndexOf('/') + 1);
            var tries = Attempts == 1
                ? ""
                : $" after {Attempts.ToString(CultureInfo.InvariantCulture)} attempts";
            return $"{name} at {Target} failed{tries}: {StatusNames.Of(StatusCode)}: {Details}";
        }
    }

    /// <summary>The exception for it, of the class that its status has in the tree.</summary>
    public CallException ToException() => StatusCode switch
    {
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange or StatusCode.AlreadyExists
            => new InvalidRequestException(this),
        StatusCode.NotFound => new ModelNotFoundException(this),
        StatusCode.Unauthenticated or StatusCode.PermissionDenied => new AccessDeniedException(this),
        StatusCode.ResourceExhausted when SaysTooLarge(Details) => new MessageTooLargeException(this),
        StatusCode.ResourceExhausted => new OverloadedException(this),
        StatusCode.Unavailable => new UnavailableException(this),
        StatusCode.DeadlineExceeded => new DeadlineException(this),
        StatusCode.Cancelled => new CallCancelledException(this),
        _ => new ServerException(this),
    };

    /// <summary>gRPC has no status of its own for sizes; these are the words of its C core, of Go and of .NET.</summary>
    private static bool SaysTooLarge(string details) => Array.Exists(
        _tooLarge, words => details.IndexOf(words, StringComparison.OrdinalIgnoreCase) >= 0);

    private static readonly string[] _tooLarge =
        ["message larger than max", "message exceeds the maximum", "message exceeds maximum"];
}

/// <summary>The request is wrong for this model; sending it again will not help.</summary>
public sealed class InvalidRequestException : CallException
{
    internal InvalidRequestException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>No such model, version or label.</summary>
public sealed class ModelNotFoundException : CallException
{
    internal ModelNotFoundException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The key or the certificate is missing, wrong, or not good for this model.</summary>
public sealed class AccessDeniedException : CallException
{
    internal AccessDeniedException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The server has too much to do.</summary>
public sealed class OverloadedException : CallException
{
    internal OverloadedException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The request or the answer is larger than the server or this client takes; fewer images in a request help.</summary>
public sealed class MessageTooLargeException : CallException
{
    internal MessageTooLargeException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The server cannot be reached or trusted, is starting or is stopping.</summary>
public sealed class UnavailableException : CallException
{
    internal UnavailableException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>No answer in time.</summary>
public sealed class DeadlineException : CallException
{
    internal DeadlineException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The call was cancelled, but not by its caller.</summary>
public sealed class CallCancelledException : CallException
{
    internal CallCancelledException(CallFailure failure)
        : base(failure)
    {
    }
}

/// <summary>The server failed.</summary>
public sealed class ServerException : CallException
{
    internal ServerException(CallFailure failure)
        : base(failure)
    {
    }
}
