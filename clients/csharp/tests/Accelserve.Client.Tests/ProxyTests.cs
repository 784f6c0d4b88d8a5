using System.Net;
using System.Net.Sockets;
using System.Text;
using Accelserve.Client.Tests.Peers;

namespace Accelserve.Client.Tests;

/// <summary>Proxies: of the system's settings alone, and only where HTTP/2 can pass them.</summary>
public sealed class ProxyTests
{
    [Theory]
    [InlineData("https://models.example", true)]
    [InlineData("http://models.example", false)]
    [InlineData("https://localhost:8500", false)]
    [InlineData("https://127.0.0.1:8500", false)]
    [InlineData("https://[::1]:8500", false)]
    public void Loopback_and_plain_text_go_past_a_proxy(string address, bool isUsed)
    {
        var read = ServerAddress.Read(address, port: null, isSecure: false);
        Assert.Equal(isUsed, ProxyRules.Allow(read, new PredictionClientOptions()));
        Assert.False(ProxyRules.Allow(read, new PredictionClientOptions { UseProxy = false }));
    }

    [Fact]
    public async Task A_proxy_is_passed_through_a_tunnel_and_the_servers_own_name_is_checked()
    {
        using var authority = new Authority("test authority");
        using var certificate = authority.Issue("serving.example");
        await using var peer = await Peer.StartAsync(new PeerSettings { Certificate = certificate });
        string? asked = null;
        await using var proxy = new RawPeer(async (stream, stop) =>
        {
            asked = await ReadHeadAsync(stream, stop);
            await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 Connection established\r\n\r\n"), stop);
            using var server = new TcpClient();
            await server.ConnectAsync(IPAddress.Loopback, peer.Port, stop);
            var there = stream.CopyToAsync(server.GetStream(), stop);
            await Task.WhenAny(there, server.GetStream().CopyToAsync(stream, stop));
        });
        using var system = new SystemProxy(proxy.Target);
        var tls = new TlsOptions();
        using var root = authority.PublicPart();
        tls.RootCertificates.Add(root);
        await using var client = Clients.Of($"https://serving.example:{peer.Port}", options => options.Tls = tls);
        await client.ScoreImageAsync(new byte[3]);
        Assert.StartsWith($"CONNECT serving.example:{peer.Port} ", asked, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_proxy_that_refuses_is_named()
    {
        await using var proxy = new RawPeer(static async (stream, stop) =>
        {
            await ReadHeadAsync(stream, stop);
            await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), stop);
        });
        using var system = new SystemProxy(proxy.Target);
        await using var client = Clients.Of("https://refused.example:8500");
        var exception = await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(new byte[3]));
        Assert.StartsWith("The proxy on the way to refused.example:8500 refuses", exception.Details, StringComparison.Ordinal);
        Assert.Contains("403", exception.Details, StringComparison.Ordinal);
    }

    private static async Task<string> ReadHeadAsync(NetworkStream stream, CancellationToken stop)
    {
        var text = new StringBuilder();
        var one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one, stop) == 1)
        {
            text.Append((char)one[0]);
        }

        return text.ToString();
    }

    /// <summary>What <c>https_proxy</c> sets; for this test's two names alone.</summary>
    private sealed class SystemProxy : IDisposable
    {
        private static readonly SemaphoreSlim _one = new(1);
        private readonly IWebProxy _before;

        public SystemProxy(string target)
        {
            _one.Wait();
            _before = HttpClient.DefaultProxy;
            HttpClient.DefaultProxy = new WebProxy($"http://{target}");
        }

        public void Dispose()
        {
            HttpClient.DefaultProxy = _before;
            _one.Release();
        }
    }
}
