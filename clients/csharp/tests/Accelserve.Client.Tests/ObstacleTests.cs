using System.Text;
using Accelserve.Client.Tests.Peers;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Accelserve.Client.Tests;

/// <summary>What stands between a client and a gRPC server: each has a sentence with address and cause.</summary>
public sealed class ObstacleTests
{
    private static readonly byte[] _image = [1, 2, 3];

    [Fact]
    public async Task An_address_without_a_listener()
    {
        var gone = await Peer.StartAsync();
        await gone.DisposeAsync();
        var exception = await FailureAsync(gone.Address);
        Assert.IsType<UnavailableException>(exception);
        Assert.Equal((StatusCode.Unavailable, 4), (exception.StatusCode, exception.Attempts));
        Assert.Equal($"Nothing listens at {gone.Target}: connection refused.", exception.Details);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve()
    {
        var exception = await FailureAsync("no-such-host.invalid:8500");
        Assert.IsType<UnavailableException>(exception);
        Assert.StartsWith("The name in no-such-host.invalid:8500 cannot be resolved", exception.Details, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(502, StatusCode.Unavailable, 4)]
    [InlineData(503, StatusCode.Unavailable, 4)]
    [InlineData(404, StatusCode.Unimplemented, 1)]
    [InlineData(401, StatusCode.Unauthenticated, 1)]
    [InlineData(403, StatusCode.PermissionDenied, 1)]
    public async Task A_proxy_that_answers_itself(int status, StatusCode code, int attempts)
    {
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = (context, _) =>
            {
                context.Response.StatusCode = status;
                context.Response.ContentType = "text/html";
                return context.Response.WriteAsync("<html>");
            },
        });
        var exception = await FailureAsync(peer.Address);
        Assert.Equal((code, attempts), (exception.StatusCode, exception.Attempts));
        Assert.StartsWith($"{peer.Target} answered HTTP {status} instead of gRPC", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_web_page_instead_of_an_answer_is_no_cancellation()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = static (context, _) =>
            {
                context.Response.ContentType = "text/html";
                return context.Response.WriteAsync("<html>");
            },
        });
        var exception = await FailureAsync(peer.Address);
        Assert.IsType<ServerException>(exception);
        Assert.Equal((StatusCode.Unknown, 1), (exception.StatusCode, exception.Attempts));
        Assert.StartsWith($"{peer.Target} answered text/html instead of gRPC", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_of_http_1()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings { Protocols = HttpProtocols.Http1 });
        var exception = await FailureAsync(peer.Address);
        Assert.Contains(peer.Target, exception.Details, StringComparison.Ordinal);
        Assert.Contains("HTTP/2", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_tls_where_tls_is_expected()
    {
        await using var peer = await Peer.StartAsync();
        var exception = await FailureAsync($"https://{peer.Target}");
        Assert.IsType<UnavailableException>(exception);
        Assert.Equal(1, exception.Attempts);
        Assert.Equal($"{peer.Target} answers without TLS where this client expects it: is it http:// and not https://?", exception.Details);
    }

    [Fact]
    public async Task A_server_with_tls_where_none_is_expected()
    {
        using var authority = new Authority("server");
        using var certificate = authority.Issue("server");
        await using var peer = await Peer.StartAsync(new PeerSettings { Certificate = certificate });
        var exception = await FailureAsync($"http://{peer.Target}");
        Assert.IsType<UnavailableException>(exception);
        Assert.Contains(peer.Target, exception.Details, StringComparison.Ordinal);
        Assert.Contains("does it expect TLS, https://?", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_of_another_protocol()
    {
        await using var peer = new RawPeer(static async (stream, stop) =>
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes("SSH-2.0-OpenSSH_9.2\r\n"), stop);
            await stream.ReadAtLeastAsync(new byte[1000], 1000, throwOnEndOfStream: false, stop);
        });
        var exception = await FailureAsync($"http://{peer.Target}");
        Assert.Contains(peer.Target, exception.Message, StringComparison.Ordinal);
        Assert.Contains("HTTP/2", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_that_hangs_up_is_tried_again()
    {
        await using var peer = new RawPeer(static (_, _) => Task.CompletedTask);
        var exception = await FailureAsync($"http://{peer.Target}");
        Assert.IsType<UnavailableException>(exception);
        Assert.Equal(4, exception.Attempts);
        Assert.Contains(peer.Target, exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_that_says_nothing_ends_by_the_deadline()
    {
        await using var peer = new RawPeer(static (_, stop) => Task.Delay(Timeout.Infinite, stop));
        await using var client = Clients.Of($"http://{peer.Target}");
        await Assert.ThrowsAsync<DeadlineException>(
            () => client.ScoreImageAsync(_image, new CallSettings { Timeout = TimeSpan.FromMilliseconds(300) }));
    }

    [Fact]
    public async Task A_connection_that_is_cut_under_a_call_is_made_again()
    {
        var calls = 0;
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = (context, next) =>
            {
                if (Interlocked.Increment(ref calls) > 2)
                {
                    return next(context);
                }

                context.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeFeature>()?.Abort();
                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(0x2);
                return Task.CompletedTask;
            },
        });
        await using var client = Clients.Of(peer.Address);
        try
        {
            await client.ScoreImageAsync(_image);
        }
        catch (ServerException exception)
        {
            // A reset of the stream alone is INTERNAL: the server did begin, and is not asked again.
            Assert.Equal(StatusCode.Internal, exception.StatusCode);
        }
    }

    [Theory]
    [InlineData(0x7, 2)] // REFUSED_STREAM: never begun, so the handler itself sends it again.
    public async Task A_refused_stream_is_sent_again(int error, int requests)
    {
        var calls = 0;
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = (context, next) =>
            {
                if (Interlocked.Increment(ref calls) > 1)
                {
                    return next(context);
                }

                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(error);
                return Task.CompletedTask;
            },
        });
        await using var client = Clients.Of(peer.Address);
        await client.ScoreImageAsync(_image);
        Assert.Equal(requests, calls);
    }

    [Theory]
    [InlineData(0x2, typeof(ServerException))] // INTERNAL_ERROR
    [InlineData(0xB, typeof(OverloadedException))] // ENHANCE_YOUR_CALM
    public async Task A_reset_stream_names_its_reason(int error, Type type)
    {
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = (context, _) =>
            {
                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(error);
                return Task.CompletedTask;
            },
        });
        var exception = await FailureAsync(peer.Address);
        Assert.IsType(type, exception);
        Assert.Equal(1, exception.Attempts);
    }

    [Fact]
    public async Task An_answer_without_a_status()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings { Before = static (context, _) => GrpcAsync(context, [0, 0, 0, 0, 0]) });
        var exception = await FailureAsync(peer.Address);
        Assert.IsType<ServerException>(exception);
        Assert.Contains("status", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_breaks_off()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings { Before = static (context, _) => GrpcAsync(context, [0, 0, 0, 0, 9, 1, 2]) });
        var exception = await FailureAsync(peer.Address);
        Assert.IsType<ServerException>(exception);
    }

    [Fact]
    public async Task An_answer_that_is_no_message()
    {
        await using var peer = await Peer.StartAsync(new PeerSettings
        {
            Before = static async (context, _) =>
            {
                await GrpcAsync(context, [0, 0, 0, 0, 2, 0xFF, 0xFF]);
                context.Response.AppendTrailer("grpc-status", "0");
            },
        });
        var exception = await FailureAsync(peer.Address);
        Assert.IsType<ServerException>(exception);
        Assert.Equal((StatusCode.Internal, 1), (exception.StatusCode, exception.Attempts));
        Assert.StartsWith($"{peer.Target} answered what is no message of this call", exception.Details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_stops_finishes_what_it_began()
    {
        var peer = await Peer.StartAsync();
        var (arrived, released) = (Wait.Gate(), Wait.Gate());
        peer.Service.Predict = async (request, _) =>
        {
            arrived.TrySetResult();
            await released.Task;
            return Answers.Lengths(request);
        };
        await using var client = Clients.Of(peer.Address);
        var call = client.ScoreImageAsync(_image);
        await arrived.Task.WaitAsync(Wait.Patience);
        var stopping = peer.StopGracefullyAsync();
        released.SetResult();
        await call.WaitAsync(Wait.Patience);
        await stopping;
        await peer.DisposeAsync();
        await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
    }

    private static async Task GrpcAsync(HttpContext context, byte[] body)
    {
        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(body);
        await context.Response.Body.FlushAsync();
    }

    private static async Task<CallException> FailureAsync(string address)
    {
        await using var client = Clients.Of(address);
        return await Assert.ThrowsAnyAsync<CallException>(() => client.ScoreImageAsync(_image));
    }
}
