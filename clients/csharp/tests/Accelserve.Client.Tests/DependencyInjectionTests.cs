using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using Accelserve.Client.Tests.Peers;
using Grpc.HealthCheck;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Accelserve.Client.Tests;

public sealed class DependencyInjectionTests
{
    private static readonly byte[] _image = [1, 2, 3];

    [Fact]
    public async Task The_client_of_a_program_is_one_object_and_is_closed_with_the_container()
    {
        await using var peer = await Peer.StartAsync();
        PredictionClient client;
        await using (var provider = Provider(services => services.AddPredictionClient(o => o.Address = peer.Address)))
        {
            client = provider.GetRequiredService<PredictionClient>();
            Assert.Same(client, provider.GetRequiredService<PredictionClient>());
            var prediction = await client.ScoreImageAsync(_image);
            Assert.Equal([3L], prediction.Output.GetMemory<long>().ToArray());
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.ScoreImageAsync(_image));
    }

    [Fact]
    public async Task Named_clients_ask_servers_of_their_own()
    {
        await using var cats = await Peer.StartAsync();
        await using var dogs = await Peer.StartAsync();
        await using var provider = Provider(services =>
        {
            services.AddPredictionClient("cats", o => o.Address = cats.Address);
            services.AddPredictionClient("dogs", Configuration(("Address", dogs.Address), ("Model:Name", "dogs")));
        });

        await provider.GetRequiredKeyedService<PredictionClient>("dogs").ScoreImageAsync(_image);

        Assert.Empty(cats.Service.Requests);
        Assert.Equal("dogs", Assert.Single(dogs.Service.Requests).ModelSpec.Name);
        Assert.Null(provider.GetService<PredictionClient>());
    }

    [Fact]
    public void A_configuration_says_everything_that_can_be_written_down()
    {
        var options = OptionsFrom(
            ("Address", "https://models.example.com"), ("Addresses:0", "https://other.example.com"), ("Port", "8500"),
            ("UseTls", "true"), ("AccessToken", "key"), ("AllowAccessTokenOverPlainText", "true"),
            ("ServiceName", "service"), ("Headers:x-team", "vision"), ("InputName", "pictures"),
            ("Model:Name", "resnet50"), ("Model:Version", "3"), ("Model:SignatureName", "features"),
            ("Timeout", "00:00:05"), ("ConnectTimeout", "00:00:01"), ("ConnectionLifetime", "00:01:00"),
            ("IdleTimeout", "00:00:30"), ("Retry:MaxAttempts", "7"), ("Retry:InitialBackoff", "00:00:00.2"),
            ("Retry:MaxBackoff", "00:00:03"), ("MaxRequestBytes", "1000"), ("MaxResponseBytes", "2000"),
            ("Compression", "Gzip"), ("UseProxy", "false"), ("WatchHealth", "false"),
            ("Tls:RootCertificatesFile", "roots.pem"), ("Tls:ClientCertificateFile", "client.pem"),
            ("Tls:ClientKeyFile", "client.key"), ("Tls:ClientKeyPassword", "secret"), ("Tls:ServerName", "server"),
            ("Tls:RevocationMode", "Online"));

        Assert.Equal(("https://models.example.com", 8500, true), (options.Address, options.Port, options.UseTls));
        Assert.Equal(["https://other.example.com"], options.Addresses);
        Assert.Equal(("key", true), (options.AccessToken, options.AllowAccessTokenOverPlainText));
        Assert.Equal(("service", "pictures", "vision"), (options.ServiceName, options.InputName, options.Headers["x-team"]));
        Assert.Equal(new ModelSelection { Name = "resnet50", Version = 3, SignatureName = "features" }, options.Model);
        Assert.Equal(
            (TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1)), (options.Timeout, options.ConnectTimeout));
        Assert.Equal(
            (TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(30)), (options.ConnectionLifetime, options.IdleTimeout));
        Assert.Equal(
            new RetryPolicy
            {
                MaxAttempts = 7, InitialBackoff = TimeSpan.FromSeconds(.2), MaxBackoff = TimeSpan.FromSeconds(3),
            },
            options.Retry);
        Assert.Equal((1000, 2000), (options.MaxRequestBytes, options.MaxResponseBytes));
        Assert.Equal((RequestCompression.Gzip, false, false), (options.Compression, options.UseProxy, options.WatchHealth));
        var tls = options.Tls!;
        Assert.Equal(("roots.pem", "client.pem"), (tls.RootCertificatesFile, tls.ClientCertificateFile));
        Assert.Equal(("client.key", "secret", "server"), (tls.ClientKeyFile, tls.ClientKeyPassword, tls.ServerName));
    }

    [Fact]
    public void No_setting_is_forgotten()
    {
        string[] code = ["AccessTokenProvider", "HandlerFactory", "LoggerFactory", "MeterFactory"];
        Assert.Equal(
            Names(typeof(PredictionClientOptions)).Except(code).Order(), Names(typeof(PredictionClientSettings)).Order());
        Assert.Equal(Names(typeof(ModelSelection)).Order(), Names(typeof(ModelSettings)).Order());
        Assert.Equal(Names(typeof(RetryPolicy)).Order(), Names(typeof(RetrySettings)).Order());
        Assert.Equal(
            Names(typeof(TlsOptions)).Except(["RootCertificates", "ClientCertificate"]).Order(),
            Names(typeof(TlsSettings)).Order());
    }

    [Fact]
    public void What_a_configuration_leaves_out_stays_as_code_set_it()
    {
        using var provider = Provider(services => services
            .AddPredictionClient(Configuration(("Retry:MaxAttempts", "2")))
            .Configure(o => o.Timeout = TimeSpan.FromSeconds(1)));

        var options = provider.GetRequiredService<IOptions<PredictionClientOptions>>().Value;

        Assert.Equal("localhost:8500", options.Address);
        Assert.Equal((2, TimeSpan.FromSeconds(2)), (options.Retry.MaxAttempts, options.Retry.MaxBackoff));
        Assert.Equal(TimeSpan.FromSeconds(1), options.Timeout);
    }

    [Fact]
    public async Task Settings_that_contradict_each_other_stop_the_host_at_its_start()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddPredictionClient("cats", o => (o.Address, o.AccessToken) = ("cats:8500", "key"));
        using var host = builder.Build();

        var refused = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.StartsWith("The prediction client 'cats': The key would go to cats:8500 without TLS", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Addresses_alone_are_all_servers()
    {
        var options = OptionsFrom(("Addresses:0", "one:1"), ("Addresses:1", "two:2"));
        Assert.Equal(["one:1", "two:2"], ServerAddress.ReadAll(options).Select(static each => each.Target));
    }

    [Fact]
    public void A_misspelt_key_is_refused_by_name()
    {
        var refused = Assert.Throws<InvalidOperationException>(() => OptionsFrom(("Adress", "localhost:8500")));
        Assert.Contains("Adress", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_is_not_empty() =>
        Assert.Throws<ArgumentException>(() => new ServiceCollection().AddPredictionClient(""));

    [Theory]
    [InlineData(ServingStatus.Serving, HealthStatus.Healthy, null)]
    [InlineData(ServingStatus.NotServing, HealthStatus.Degraded, "The server says NotServing.")]
    public async Task A_health_check_says_what_the_server_says(ServingStatus said, HealthStatus expected, string? words)
    {
        await using var peer = await Peer.StartAsync();
        peer.Health.SetStatus("", said);
        await using var provider = Provider(services =>
        {
            services.AddPredictionClient("cats", o => o.Address = peer.Address);
            services.AddHealthChecks().AddPredictionClient("cats", failureStatus: HealthStatus.Degraded);
        });

        var entry = (await CheckAsync(provider))["accelserve-cats"];

        Assert.Equal((expected, words), (entry.Status, entry.Description));
    }

    [Fact]
    public async Task A_health_check_names_a_server_that_cannot_be_reached()
    {
        string address;
        await using (var gone = await Peer.StartAsync())
        {
            address = gone.Target;
        }

        await using var provider = Provider(services =>
        {
            services.AddPredictionClient(o => o.Address = address);
            services.AddHealthChecks().AddPredictionClient();
        });

        var entry = (await CheckAsync(provider))["accelserve"];

        Assert.Equal(HealthStatus.Unhealthy, entry.Status);
        Assert.Contains(address, entry.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_is_timed_and_is_one_activity_above_grpcs_own()
    {
        await using var peer = await Peer.StartAsync();
        var seen = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Accelserve.Client" or "Grpc.Net.Client",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (seen)
                {
                    seen.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var root = new Activity("test").Start();
        await using var provider = Provider(services => services.AddMetrics().AddPredictionClient(o => o.Address = peer.Address));
        var client = provider.GetRequiredService<PredictionClient>();
        var recorded = new List<(double Seconds, Dictionary<string, object?> Tags)>();
        using var meters = new MeterListener();
        meters.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Accelserve.Client"
                && instrument.Meter.Scope == provider.GetRequiredService<IMeterFactory>())
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        meters.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
            recorded.Add((seconds, new Dictionary<string, object?>(tags.ToArray()))));
        meters.Start();

        await client.ScoreImageAsync(_image);

        var (seconds, tags) = Assert.Single(recorded);
        Assert.InRange(seconds, 0, 60);
        Assert.Equal((peer.Target, 0), (tags["server.address"], tags["rpc.grpc.status_code"]));
        var mine = seen.Where(each => each.TraceId == root.TraceId).ToList();
        var call = Assert.Single(mine, each => each.Source.Name == "Accelserve.Client");
        Assert.Equal(root.SpanId, call.ParentSpanId);
        Assert.Contains(mine, each => each != call && each.ParentSpanId == call.SpanId);
    }

    private static IEnumerable<string> Names(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name);

    private static ServiceProvider Provider(Action<IServiceCollection> register)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        register(services);
        return services.BuildServiceProvider();
    }

    private static IConfigurationRoot Configuration(params (string Key, string Value)[] values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.Select(each => new KeyValuePair<string, string?>(each.Key, each.Value)))
        .Build();

    private static PredictionClientOptions OptionsFrom(params (string Key, string Value)[] values)
    {
        using var provider = Provider(services => services.AddPredictionClient(Configuration(values)));
        return provider.GetRequiredService<IOptions<PredictionClientOptions>>().Value;
    }

    private static async Task<IReadOnlyDictionary<string, HealthReportEntry>> CheckAsync(IServiceProvider provider) =>
        (await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries;
}
