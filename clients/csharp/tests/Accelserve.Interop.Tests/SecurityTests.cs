using Accelserve.Client;

namespace Accelserve.Interop.Tests;

public sealed class SecurityTests
{
    private static string File(string name) => Path.Combine(World.Folder, name);

    private static string[] TlsFlags => [$"--tls_key={File("server.key")}", $"--tls_certificate={File("server.pem")}"];

    [Fact]
    public async Task Tls_and_keys()
    {
        var keys = File("keys.json");
        var printed = await World.RunPythonAsync("-m", "accelserve.server.cli", "keys", "add", "camera", "--file", keys);
        var key = printed.Split('\n')[0].Split(' ')[1].Trim();
        await using var server = await Server.StartAsync(0, [.. World.NetworkFlags, .. TlsFlags, $"--auth_keys_file={keys}"]);

        await using var client = new PredictionClient(Options(server, key));
        Assert.NotEmpty((await client.ScoreFileAsync(World.Photographs[0])).Output.ToSingles());

        await using var stranger = new PredictionClient(Options(server, "wrong"));
        var refused = await Assert.ThrowsAnyAsync<CallException>(() => stranger.ScoreFileAsync(World.Photographs[0]));
        Assert.Equal(Grpc.Core.StatusCode.Unauthenticated, refused.StatusCode);
    }

    [Fact]
    public async Task Mutual_tls()
    {
        await using var server = await Server.StartAsync(
            0, [.. World.NetworkFlags, .. TlsFlags, $"--tls_client_ca={File("authority.pem")}"]);

        var options = Options(server, key: null);
        (options.Tls!.ClientCertificateFile, options.Tls.ClientKeyFile) = (File("client.pem"), File("client.key"));
        await using var client = new PredictionClient(options);
        Assert.NotEmpty((await client.ScoreFileAsync(World.Photographs[0])).Output.ToSingles());

        await using var stranger = new PredictionClient(Options(server, key: null));
        await Assert.ThrowsAnyAsync<CallException>(() => stranger.ScoreFileAsync(World.Photographs[0]));
    }

    [Fact]
    public async Task A_server_of_another_authority_is_named_with_the_cause()
    {
        await using var server = await Server.StartAsync(0, [.. World.NetworkFlags, .. TlsFlags]);
        var options = new PredictionClientOptions { Address = $"https://{server.Address}" };
        await using var client = new PredictionClient(options);

        var refused = await Assert.ThrowsAnyAsync<CallException>(() => client.ScoreFileAsync(World.Photographs[0]));

        Assert.Contains(server.Address, refused.Message, StringComparison.Ordinal);
        Assert.Contains("certificate", refused.Message, StringComparison.OrdinalIgnoreCase);
    }

    private static PredictionClientOptions Options(Server server, string? key) => new()
    {
        Address = $"https://{server.Address}",
        AccessToken = key,
        Tls = new TlsOptions { RootCertificatesFile = File("authority.pem") },
        Retry = new RetryPolicy { MaxAttempts = 1 },
    };
}
