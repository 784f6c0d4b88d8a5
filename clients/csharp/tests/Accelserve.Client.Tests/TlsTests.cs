using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Accelserve.Client.Tests.Peers;

namespace Accelserve.Client.Tests;

/// <summary>Certificates and keys; the Python client's <c>test_connection.py</c>.</summary>
public sealed class TlsTests : IDisposable
{
    private static readonly byte[] _image = [1, 2, 3];

    private readonly string _folder = Directory.CreateTempSubdirectory("accelserve-").FullName;
    private readonly Authority _authority = new("test authority");

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_server_of_an_authority_of_ones_own_is_trusted()
    {
        await using var peer = await StartAsync();
        await using var client = Clients.Of(peer.Address, options => options.Tls = Tls());
        await client.ScoreImageAsync(_image);
    }

    [Fact]
    public async Task Both_sides_show_certificates()
    {
        await using var peer = await StartAsync(wantsClientCertificate: true);
        await using (var client = Clients.Of(peer.Address, options => options.Tls = WithPkcs12(Tls())))
        {
            await client.ScoreImageAsync(_image);
        }

#if !NETSTANDARD_BUILD
        await using (var client = Clients.Of(peer.Address, options => options.Tls = WithPem(Tls())))
        {
            await client.ScoreImageAsync(_image);
        }
#endif

        using var own = _authority.Issue("client.example");
        var given = Tls();
        given.ClientCertificate = own;
        await using (var client = Clients.Of(peer.Address, options => options.Tls = given))
        {
            await client.ScoreImageAsync(_image);
        }

        Assert.NotEmpty(peer.Service.Requests);
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_turned_away()
    {
        await using var peer = await StartAsync(wantsClientCertificate: true);
        await using var client = Clients.Of(peer.Address, options => options.Tls = Tls());
        await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
        Assert.Empty(peer.Service.Requests);
    }

    [Fact]
    public async Task A_server_of_another_authority_is_not_trusted()
    {
        await using var peer = await StartAsync();
        using var stranger = new Authority("stranger");
        await using var client = Clients.Of(peer.Address, options => options.Tls = Tls(stranger));
        await AssertNoTrustAsync(client, peer);
    }

    [Fact]
    public async Task An_authority_that_only_shares_the_name_is_not_trusted()
    {
        await using var peer = await StartAsync();
        using var impostor = new Authority("test authority");
        await using var client = Clients.Of(peer.Address, options => options.Tls = Tls(impostor));
        await AssertNoTrustAsync(client, peer);
    }

    [Fact]
    public async Task The_systems_authorities_do_not_know_ours()
    {
        await using var peer = await StartAsync();
        await using var client = Clients.Of(peer.Address);
        await AssertNoTrustAsync(client, peer);
    }

    [Fact]
    public async Task A_name_that_the_certificate_lacks_is_not_trusted()
    {
        await using var peer = await StartAsync();
        await using var client = Clients.Of($"https://localhost:{peer.Port}", options => options.Tls = Tls());
        await AssertNoTrustAsync(client, peer);
    }

#if !NETSTANDARD_BUILD
    [Fact]
    public async Task The_name_in_the_certificate_may_be_another_than_the_address()
    {
        await using var peer = await StartAsync();
        var named = Tls();
        named.ServerName = "serving.example";
        await using (var client = Clients.Of($"localhost:{peer.Port}", options => options.Tls = named))
        {
            await client.ScoreImageAsync(_image);
        }

        var misnamed = Tls();
        misnamed.ServerName = "other.example";
        await using (var client = Clients.Of(peer.Address, options => options.Tls = misnamed))
        {
            var exception = await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
            Assert.Contains("RemoteCertificateNameMismatch", exception.Details, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_unix_socket_is_an_address()
    {
        var path = Path.Combine(_folder, "serve.sock");
        await using var peer = await Peer.StartAsync(new PeerSettings { UnixPath = path });
        await using var client = Clients.Of($"unix:{path}");
        await client.ScoreImageAsync(_image);
    }
#else
    [Fact]
    public void What_the_older_target_cannot_do_is_refused_with_a_sentence()
    {
        var named = Tls();
        named.ServerName = "serving.example";
        var name = Assert.Throws<PlatformNotSupportedException>(() => Clients.Of("localhost:1", options => options.Tls = named));
        Assert.Contains("Tls.ServerName", name.Message, StringComparison.Ordinal);
        var socket = Assert.Throws<PlatformNotSupportedException>(() => Clients.Of("unix:/x"));
        Assert.Contains("Unix sockets", socket.Message, StringComparison.Ordinal);
        Assert.Throws<PlatformNotSupportedException>(() => Clients.Of("localhost:1", options => options.Tls = WithPem(Tls())));
    }
#endif

    [Fact]
    public async Task A_key_travels_with_tls()
    {
        await using var peer = await StartAsync();
        await using var client = Clients.Of(peer.Address, options =>
        {
            options.Tls = Tls();
            options.AccessToken = "secret";
            options.ServiceName = "my-service";
            options.Headers["x-note"] = "1";
        });
        await client.ScoreImageAsync(_image);
        var headers = peer.Service.Headers.Single();
        Assert.Equal("Bearer secret", headers.GetValue("authorization"));
        Assert.Equal("/api/v1/service/my-service", headers.GetValue("x-ms-aml-grpc-service-route"));
        Assert.Equal("1", headers.GetValue("x-note"));
    }

    [Fact]
    public async Task A_key_travels_without_tls_when_asked_to()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(
            peer.Address, static options => (options.AccessToken, options.AllowAccessTokenOverPlainText) = ("secret", true));
        await client.ScoreImageAsync(_image);
        Assert.Equal("Bearer secret", peer.Service.Headers.Single().GetValue("authorization"));
    }

    [Fact]
    public async Task A_key_is_fetched_for_each_attempt()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(1, Grpc.Core.StatusCode.Unavailable);
        var number = 0;
        await using var client = Clients.Of(peer.Address, options =>
        {
            options.AccessTokenProvider = _ => new ValueTask<string>($"key-{++number}");
            options.AllowAccessTokenOverPlainText = true;
        });
        await client.ScoreImageAsync(_image);
        Assert.Equal(
            ["Bearer key-1", "Bearer key-2"],
            peer.Service.Headers.Select(static headers => headers.GetValue("authorization")));
    }

    [Fact]
    public async Task Without_a_key_or_a_service_no_header_is_sent()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        await client.ScoreImageAsync(_image);
        var headers = peer.Service.Headers.Single();
        Assert.Null(headers.Get("authorization"));
        Assert.Null(headers.Get("x-ms-aml-grpc-service-route"));
    }

    [Fact]
    public void Files_that_are_no_certificates_are_refused()
    {
        var path = Path.Combine(_folder, "empty.pem");
        File.WriteAllText(path, "nothing");
        var roots = Assert.Throws<ArgumentException>(() => Clients.Of("localhost:1", options => options.Tls = new TlsOptions { RootCertificatesFile = path }));
        Assert.Contains(path, roots.Message, StringComparison.Ordinal);
        var broken = Path.Combine(_folder, "broken.pfx");
        File.WriteAllText(broken, "nothing");
        var own = Assert.Throws<ArgumentException>(() => Clients.Of("localhost:1", options => options.Tls = new TlsOptions { ClientCertificateFile = broken }));
        Assert.Contains(broken, own.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<IOException>(() => Clients.Of("localhost:1", options => options.Tls = new TlsOptions { RootCertificatesFile = path + "x" }));
    }

    private static async Task AssertNoTrustAsync(PredictionClient client, Peer peer)
    {
        var exception = await Assert.ThrowsAsync<UnavailableException>(() => client.ScoreImageAsync(_image));
        Assert.Equal((Grpc.Core.StatusCode.Unavailable, 1), (exception.StatusCode, exception.Attempts));
        Assert.Contains($":{peer.Port} and this client", exception.Details, StringComparison.Ordinal);
        Assert.Contains("certificate", exception.Details, StringComparison.Ordinal);
        Assert.Empty(peer.Service.Requests);
    }

    private async Task<Peer> StartAsync(bool wantsClientCertificate = false) => await Peer.StartAsync(new PeerSettings
    {
        Certificate = _authority.Issue("serving.example"),
        WantsClientCertificate = wantsClientCertificate,
    });

    private TlsOptions Tls(Authority? authority = null)
    {
        var path = Path.Combine(_folder, "ca.pem");
        File.WriteAllText(path, (authority ?? _authority).Pem);
        return new TlsOptions { RootCertificatesFile = path };
    }

    private TlsOptions WithPem(TlsOptions tls)
    {
        using var own = _authority.Issue("client.example");
        tls.ClientCertificateFile = Path.Combine(_folder, "client.pem");
        tls.ClientKeyFile = Path.Combine(_folder, "client.key");
        File.WriteAllText(tls.ClientCertificateFile, own.ExportCertificatePem());
        using var key = own.GetECDsaPrivateKey()!;
        File.WriteAllText(tls.ClientKeyFile, key.ExportPkcs8PrivateKeyPem());
        return tls;
    }

    private TlsOptions WithPkcs12(TlsOptions tls)
    {
        using var own = _authority.Issue("client.example");
        tls.ClientCertificateFile = Path.Combine(_folder, "client.pfx");
        tls.ClientKeyPassword = "password";
        File.WriteAllBytes(tls.ClientCertificateFile, own.Export(X509ContentType.Pkcs12, "password"));
        return tls;
    }
}
