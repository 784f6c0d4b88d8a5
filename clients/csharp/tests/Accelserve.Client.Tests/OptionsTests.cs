namespace Accelserve.Client.Tests;

public sealed class OptionsTests
{
    public static TheoryData<Action<PredictionClientOptions>, string> Mistakes { get; } = new()
    {
        { static o => o.Timeout = TimeSpan.Zero, "Timeout: expected more than 0" },
        { static o => o.ConnectTimeout = TimeSpan.FromSeconds(-2), "ConnectTimeout: expected more than 0" },
        { static o => o.IdleTimeout = TimeSpan.Zero, "IdleTimeout: expected more than 0" },
        { static o => o.ConnectionLifetime = TimeSpan.Zero, "ConnectionLifetime: expected more than 0" },
        { static o => o.MaxRequestBytes = 0, "MaxRequestBytes: expected more than 0, got 0" },
        { static o => o.MaxResponseBytes = -1, "MaxResponseBytes: expected more than 0, got -1" },
        { static o => o.InputName = "", "InputName" },
        { static o => o.Retry = new RetryPolicy { MaxAttempts = 0 }, "at least once, got 0" },
        { static o => o.Retry = new RetryPolicy { InitialBackoff = TimeSpan.Zero }, "InitialBackoff" },
        { static o => o.Retry = new RetryPolicy { InitialBackoff = TimeSpan.FromSeconds(3) }, "InitialBackoff" },
        { static o => o.Model = new ModelSelection { Version = 1, VersionLabel = "stable" }, "version 1 and label 'stable'" },
        { static o => o.Tls = new TlsOptions { ClientKeyFile = "key.pem" }, "belong together" },
        { static o => (o.UseTls, o.Address) = (true, "http://localhost:8500"), "no TLS" },
        { static o => (o.UseTls, o.AccessToken, o.AccessTokenProvider) = (true, "a", static _ => default), "not both" },
        { static o => o.ServiceName = "a\nb", "ServiceName: expected printable ASCII" },
        { static o => o.Headers["x-note"] = "é", "Headers['x-note']: expected printable ASCII" },
        { static o => o.AccessToken = "secret", "would go to localhost:8500 without TLS" },
        { static o => o.AccessTokenProvider = static _ => default, "would go to localhost:8500 without TLS" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Mistakes_are_named(Action<PredictionClientOptions> mistake, string words)
    {
        var options = new PredictionClientOptions();
        mistake(options);
        var exception = Assert.Throws<ArgumentException>(options.Validate);
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new PredictionClient(options));
    }

    [Fact]
    public void A_key_that_no_header_can_carry_is_refused_without_being_shown()
    {
        var options = new PredictionClientOptions { UseTls = true, AccessToken = "sécret\n" };
        var exception = Assert.Throws<ArgumentException>(options.Validate);
        Assert.Contains("AccessToken", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("cret", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_setting_is_copied()
    {
        var options = new PredictionClientOptions();
        foreach (var property in typeof(PredictionClientOptions).GetProperties().Where(static each => each.CanWrite))
        {
            property.SetValue(options, Other(property.GetValue(options), property.PropertyType));
        }

        options.Addresses.Add("x");
        options.Headers["a"] = "b";
        var copy = options.Copy();
        foreach (var property in typeof(PredictionClientOptions).GetProperties())
        {
            Assert.Equal(property.GetValue(options), property.GetValue(copy));
        }

        Assert.NotSame(options.Addresses, copy.Addresses);
    }

    private static object? Other(object? value, Type type) => value switch
    {
        string text => text + "x",
        bool flag => !flag,
        int number => number + 1,
        TimeSpan time => time + TimeSpan.FromSeconds(1),
        RequestCompression => RequestCompression.Gzip,
        RetryPolicy => new RetryPolicy { MaxAttempts = 9 },
        ModelSelection => new ModelSelection { Name = "other" },
        _ when type == typeof(int?) => 5,
        _ when type == typeof(string) => "text",
        _ when type == typeof(TlsOptions) => new TlsOptions(),
        _ when type == typeof(Func<CancellationToken, ValueTask<string>>) =>
            (Func<CancellationToken, ValueTask<string>>)(static _ => default),
        _ when type == typeof(Func<Uri, HttpMessageHandler>) => (Func<Uri, HttpMessageHandler>)(static _ => null!),
        _ when type == typeof(Microsoft.Extensions.Logging.ILoggerFactory) =>
            Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance,
        _ when type == typeof(System.Diagnostics.Metrics.IMeterFactory) => new NoMeters(),
        _ => throw new InvalidOperationException($"A value for {type} is missing here."),
    };

    private sealed class NoMeters : System.Diagnostics.Metrics.IMeterFactory
    {
        public System.Diagnostics.Metrics.Meter Create(System.Diagnostics.Metrics.MeterOptions options) => new(options);

        public void Dispose()
        {
        }
    }
}
