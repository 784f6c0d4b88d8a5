namespace Accelserve.Client.Tests;

/// <summary>The table of the Python client's <c>test_connection.py</c>, and schemes.</summary>
public sealed class ServerAddressTests
{
    [Theory]
    [InlineData("localhost", 8500, false, "localhost:8500", false)]
    [InlineData("localhost:8500", null, false, "localhost:8500", false)]
    [InlineData("example.org", null, false, "example.org:80", false)]
    [InlineData("example.org", null, true, "example.org:443", true)]
    [InlineData("::1", 8500, false, "[::1]:8500", false)]
    [InlineData("::1", null, false, "[::1]:80", false)]
    [InlineData("[::1]:8500", null, false, "[::1]:8500", false)]
    [InlineData("[::1]", 8500, false, "[::1]:8500", false)]
    [InlineData("127.0.0.1:8500", null, false, "127.0.0.1:8500", false)]
    [InlineData("unix:/run/serve.sock", null, false, "unix:/run/serve.sock", false)]
    [InlineData("unix:///run/serve.sock", null, false, "unix:/run/serve.sock", false)]
    [InlineData("http://localhost:8500", null, false, "localhost:8500", false)]
    [InlineData("http://localhost:8500/", null, false, "localhost:8500", false)]
    [InlineData("http://example.org", null, false, "example.org:80", false)]
    [InlineData("https://example.org", null, false, "example.org:443", true)]
    [InlineData("HTTPS://example.org:8500", null, true, "example.org:8500", true)]
    [InlineData("https://[2001:db8::1]:8500", null, false, "[2001:db8::1]:8500", true)]
    public void Addresses_become_targets(string text, int? port, bool useTls, string target, bool isSecure)
    {
        var address = ServerAddress.Read(text, port, useTls);
        Assert.Equal((target, isSecure), (address.Target, address.IsSecure));
    }

    [Theory]
    [InlineData("", null, "empty string")]
    [InlineData("host", 0, "got 0")]
    [InlineData("host", 65536, "got 65536")]
    [InlineData("host:0", null, "got 0")]
    [InlineData("host:port", null, "got 'port'")]
    [InlineData("grpc://host:8500", null, "'grpc://host:8500'")]
    [InlineData("dns:///host:8500", null, "'dns:///host:8500'")]
    [InlineData("http://host:8500/v1/models", null, "no path behind the port, gRPC has its own, got 'http://host:8500/v1/models'")]
    [InlineData("https://host/v1", null, "no path")]
    [InlineData("two words", null, "'two words'")]
    [InlineData("unix:", null, "'unix:'")]
    public void Impossible_addresses_are_refused(string text, int? port, string words)
    {
        var exception = Assert.Throws<ArgumentException>(() => ServerAddress.Read(text, port, isSecure: false));
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_addresses_come_from_a_list_or_from_commas()
    {
        var options = new PredictionClientOptions { Address = "one:1, two", Port = 8500 };
        options.Addresses.Add("three:3");
        options.Addresses.Add("one:1");
        Assert.Equal(["one:1", "two:8500", "three:3"], ServerAddress.ReadAll(options).Select(static each => each.Target));

        options.Address = "";
        Assert.Equal(["three:3", "one:1"], ServerAddress.ReadAll(options).Select(static each => each.Target));
    }

    [Fact]
    public void The_default_address_stands_back_where_there_are_others()
    {
        var options = new PredictionClientOptions();
        Assert.Equal(["localhost:8500"], ServerAddress.ReadAll(options.Copy()).Select(static each => each.Target));

        options.Addresses.Add("one:1");
        options.Addresses.Add("two:2");
        Assert.Equal(["one:1", "two:2"], ServerAddress.ReadAll(options.Copy()).Select(static each => each.Target));
    }

    [Theory]
    [InlineData("localhost:1", true)]
    [InlineData("127.8.9.1:1", true)]
    [InlineData("[::1]:1", true)]
    [InlineData("unix:/a", true)]
    [InlineData("10.0.0.1:1", false)]
    [InlineData("localhost.example.org:1", false)]
    public void Loopback_is_known(string text, bool isLoopback) =>
        Assert.Equal(isLoopback, ServerAddress.Read(text, port: null, isSecure: false).IsLoopback);
}
