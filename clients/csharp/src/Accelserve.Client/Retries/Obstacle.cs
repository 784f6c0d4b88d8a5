using System.Net.Sockets;
using System.Security.Authentication;
using Google.Protobuf;
using Grpc.Core;

namespace Accelserve.Client;

/// <summary>What kept a call from a gRPC server: gRPC itself names neither the address nor the cause.</summary>
/// <param name="Code">The status that gRPC's other implementations have for it.</param>
/// <param name="Sentence">Address and cause.</param>
/// <param name="CanPass">Whether it may be gone at the next attempt.</param>
internal readonly record struct Obstacle(StatusCode Code, string Sentence, bool CanPass)
{
    private const string HttpStatus = "HTTP status code: ";
    private const string ContentType = "Invalid content-type value: ";

    /// <summary>The obstacle, if there was one.</summary>
    public static Obstacle? Find(RpcException exception, Endpoint endpoint)
    {
        var target = endpoint.Target;
        return OfConnection(exception.Status.DebugException, target) ?? OfAnswer(exception, target);
    }

    private static Obstacle? OfConnection(Exception? exception, string target)
    {
        for (var each = exception; each is not null; each = each.InnerException)
        {
            switch (each)
            {
                case AuthenticationException when Contains(each.Message, "corrupted frame"):
                    return Lasting(StatusCode.Unavailable, $"{target} answers without TLS where this client expects it: is it http:// and not https://?");
                case AuthenticationException:
                    return Lasting(StatusCode.Unavailable, $"No trust between {target} and this client: {Flat(each)}");
                case SocketException socket:
                    return OfSocket(socket, target);
                case InvalidProtocolBufferException:
                    // An IOException to .NET, and therefore UNAVAILABLE to gRPC: but the server did answer.
                    return Lasting(StatusCode.Internal, $"{target} answered what is no message of this call: {each.Message}");
                default:
                    break;
            }
        }

        return exception is null ? null : OfHttp(Flat(exception), target);
    }

    /// <summary>What HTTP/2 has to say; the older targets have no more than the text.</summary>
    private static Obstacle? OfHttp(string text, string target)
    {
        if (Contains(text, "HTTP_1_1_REQUIRED"))
        {
            return Lasting(StatusCode.Unavailable, $"{target} speaks HTTP/1.1 and not HTTP/2, which gRPC needs: is it another service's port?");
        }

        if (Contains(text, "'NO_ERROR'"))
        {
            // gRPC says INTERNAL; but this is how a server says good-bye to a call that came while it stopped.
            return Passing($"{target} closed the connection in good order: it is going away.");
        }

        if (Contains(text, "HTTP/2 handshake"))
        {
            return Passing($"{target} closed the connection, or spoke something else, where HTTP/2 begins; does it expect TLS, https://? {text}");
        }

        if (Contains(text, "proxy tunnel"))
        {
            return Passing($"The proxy on the way to {target} refuses: {text}");
        }

        return Contains(text, "SSL connection could not be established")
            ? Lasting(StatusCode.Unavailable, $"No TLS connection to {target}: {text}")
            : null;
    }

    private static Obstacle OfSocket(SocketException exception, string target) => exception.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => Passing($"Nothing listens at {target}: connection refused."),
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain =>
            Passing($"The name in {target} cannot be resolved: {exception.Message}."),
        SocketError.TimedOut => Passing($"No connection to {target} in time."),
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => Passing($"No way to {target}: {exception.Message}."),
        _ => Passing($"The connection to {target} failed: {exception.Message}."),
    };

    private static Obstacle Passing(string sentence) => new(StatusCode.Unavailable, sentence, CanPass: true);

    private static Obstacle Lasting(StatusCode code, string sentence) => new(code, sentence, CanPass: false);

    private static bool Contains(string text, string words) => text.IndexOf(words, StringComparison.Ordinal) >= 0;

    /// <summary>Answers that are no gRPC; the exception has no more than their text.</summary>
    private static Obstacle? OfAnswer(RpcException exception, string target)
    {
        var details = exception.Status.Detail;
        if (After(details, HttpStatus) is { } status)
        {
            return new Obstacle(
                exception.StatusCode,
                $"{target} answered HTTP {status} instead of gRPC: a proxy or a web server is in the way, or the port is another service's.",
                CanPass: true);
        }

        if (After(details, ContentType) is { } type)
        {
            // gRPC says CANCELLED here and below, but nobody cancelled.
            return Lasting(
                StatusCode.Unknown,
                $"{target} answered {type} instead of gRPC: a proxy or a web server is in the way, or the port is another service's.");
        }

        return details.StartsWith("No grpc-status found", StringComparison.Ordinal)
            ? Lasting(StatusCode.Unknown, $"{target} ended its answer without a status: it broke off, or something on the way cut it.")
            : null;
    }

    private static string? After(string details, string words)
    {
        var start = details.IndexOf(words, StringComparison.Ordinal);
        return start < 0 || !details.StartsWith("Bad gRPC response", StringComparison.Ordinal)
            ? null
            : details.Substring(start + words.Length).TrimEnd('.', ' ');
    }

    /// <summary>The messages of an exception and its causes, each once.</summary>
    private static string Flat(Exception exception)
    {
        var messages = new List<string>();
        for (var each = exception; each is not null; each = each.InnerException!)
        {
            if (!messages.Contains(each.Message, StringComparer.Ordinal))
            {
                messages.Add(each.Message);
            }
        }

        return string.Join(" ", messages);
    }
}
