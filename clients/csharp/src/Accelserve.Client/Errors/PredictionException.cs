namespace Accelserve.Client;

// What can go wrong for a caller.
//
//     Exception
//     └── PredictionException
//         ├── UnexpectedResponseException      the server answered, but not with what was asked for
//         └── CallException                    the call failed with a gRPC status
//             ├── InvalidRequestException      INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, ALREADY_EXISTS
//             ├── ModelNotFoundException       NOT_FOUND
//             ├── AccessDeniedException        UNAUTHENTICATED, PERMISSION_DENIED
//             ├── OverloadedException          RESOURCE_EXHAUSTED
//             ├── MessageTooLargeException     RESOURCE_EXHAUSTED too, but about the size of a message
//             ├── UnavailableException         UNAVAILABLE
//             ├── DeadlineException            DEADLINE_EXCEEDED
//             ├── CallCancelledException       CANCELLED, not by the caller
//             └── ServerException              every other status
//
// A mistake in an argument that is found before anything is sent is an ArgumentException; a caller's own cancellation is an
// OperationCanceledException; a client that is disposed before or during a call is an ObjectDisposedException.

/// <summary>A call that gave no result.</summary>
public abstract class PredictionException : Exception
{
    private protected PredictionException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>The server answered, but not with what was asked for.</summary>
public sealed class UnexpectedResponseException : PredictionException
{
    /// <summary>Makes one.</summary>
    /// <param name="message">What was expected and what came.</param>
    /// <param name="output">Name of the output that is missing or cannot be read; empty where the whole answer is
    /// wrong.</param>
    /// <param name="innerException">What found it.</param>
    public UnexpectedResponseException(string message, string output = "", Exception? innerException = null)
        : base(message, innerException) => Output = output;

    /// <summary>Name of the output that is missing or cannot be read; empty where the whole answer is wrong.</summary>
    public string Output { get; }
}
