using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Accelserve.Client;

/// <summary>Everything that a <see cref="PredictionClient"/> can be told. Copied when the client is made.</summary>
public sealed class PredictionClientOptions
{
    /// <summary>Fits 64 photographs of 8 MiB each in one request; gRPC's own 4 MiB for answers fits no batch of feature
    /// maps.</summary>
    public const int DefaultMaxMessageBytes = 512 << 20;

    private const string DefaultAddress = "localhost:8500";
    private string? _address;

    /// <summary>Where the server is: <c>host</c>, <c>host:port</c>, an IP address (IPv6 in brackets before a port),
    /// <c>http://host:port</c>, <c>https://host:port</c> or <c>unix:/path</c>. Several, separated by commas, share the
    /// calls between them. Without a port 443 is taken with TLS and 80 without.
    /// The default is <c>localhost:8500</c>, or empty where <see cref="Addresses"/> is not.</summary>
    public string Address
    {
        get => _address ?? (Addresses.Count == 0 ? DefaultAddress : "");
        set => _address = value;
    }

    /// <summary>Further servers; calls are shared among all of them and those of <see cref="Address"/>, if it is set.</summary>
    public IList<string> Addresses { get; } = [];

    /// <summary>The port of every address that has none.</summary>
    public int? Port { get; set; }

    /// <summary>Encrypt, and check the server's certificate, where the address does not say <c>http://</c> or
    /// <c>https://</c>. <see cref="Tls"/> implies it.</summary>
    public bool UseTls { get; set; }

    /// <summary>Certificates; <see langword="null"/> shows none and trusts the system's authorities.</summary>
    public TlsOptions? Tls { get; set; }

    /// <summary>A key, sent as <c>authorization: Bearer KEY</c>.</summary>
    public string? AccessToken { get; set; }

    /// <summary>Gives the key for each attempt of a call; instead of <see cref="AccessToken"/>. It should cache.</summary>
    public Func<CancellationToken, ValueTask<string>>? AccessTokenProvider { get; set; }

    /// <summary>Send the key without TLS too, where anyone on the way can read it. Without this a client with a key and
    /// an address without TLS is refused.</summary>
    public bool AllowAccessTokenOverPlainText { get; set; }

    /// <summary>Sent as <c>x-ms-aml-grpc-service-route: /api/v1/service/NAME</c>; empty sends none.</summary>
    public string ServiceName { get; set; } = "";

    /// <summary>Further headers of every call.</summary>
    public IDictionary<string, string> Headers { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Which model answers, unless a call says otherwise.</summary>
    public ModelSelection Model { get; set; } = new();

    /// <summary>Name of the models' input for images, unless a call says otherwise.</summary>
    public string InputName { get; set; } = "images";

    /// <summary>Time for a call with all its attempts, unless the call says otherwise;
    /// <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> sets no limit.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time for one connection to be made. A name with several IP addresses has it for all of them.</summary>
    /// <remarks>Needs .NET 8 or newer, as <see cref="ConnectionLifetime"/> and <see cref="IdleTimeout"/> do; elsewhere the
    /// handler has its own times.</remarks>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a connection is used before a new one is made, which resolves the name again. A connection that
    /// is lost is made anew at once.</summary>
    public TimeSpan ConnectionLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a connection without calls is kept; load balancers drop idle ones without a word.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>When and how often a failed call is sent again.</summary>
    public RetryPolicy Retry { get; set; } = new();

    /// <summary>Largest request, bytes.</summary>
    public int MaxRequestBytes { get; set; } = DefaultMaxMessageBytes;

    /// <summary>Largest response, and largest tensor in one, bytes.</summary>
    public int MaxResponseBytes { get; set; } = DefaultMaxMessageBytes;

    /// <summary>How requests are compressed. Encoded images do not become smaller. Responses are read in any case.</summary>
    public RequestCompression Compression { get; set; }

    /// <summary>Use the system's proxy (<c>https_proxy</c>, <c>no_proxy</c>) for addresses with TLS. Loopback addresses
    /// and those without TLS are never reached through a proxy: HTTP/2 without TLS cannot pass one.</summary>
    public bool UseProxy { get; set; } = true;

    /// <summary>With several addresses: ask each server's <c>grpc.health.v1</c> all the time and leave out those that do
    /// not serve.</summary>
    public bool WatchHealth { get; set; } = true;

    /// <summary>Makes the HTTP handler of an address instead of the client, which then owns it; for platforms and
    /// networks that need their own. Certificates, proxy and connection times are that handler's business.</summary>
    public Func<Uri, HttpMessageHandler>? HandlerFactory { get; set; }

    /// <summary>Where the client and gRPC log; <see langword="null"/> is nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>Makes the meter of the client's instruments; <see langword="null"/> is one for the process.</summary>
    public IMeterFactory? MeterFactory { get; set; }

    /// <summary>Checks everything that can be checked without a network.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range, or two contradict each other; the message names
    /// them.</exception>
    public void Validate() => OptionsValidation.Validate(this);

    /// <summary>The same settings, so that later changes to these change no client.</summary>
    internal PredictionClientOptions Copy()
    {
        var copy = new PredictionClientOptions();
        copy.TakeFrom(this);
        return copy;
    }

    private void TakeFrom(PredictionClientOptions other)
    {
        (Address, Port, UseTls, Tls) = (other.Address, other.Port, other.UseTls, other.Tls);
        (AccessToken, AccessTokenProvider) = (other.AccessToken, other.AccessTokenProvider);
        AllowAccessTokenOverPlainText = other.AllowAccessTokenOverPlainText;
        (ServiceName, Model, InputName) = (other.ServiceName, other.Model, other.InputName);
        (Timeout, ConnectTimeout, ConnectionLifetime) = (other.Timeout, other.ConnectTimeout, other.ConnectionLifetime);
        (IdleTimeout, Retry) = (other.IdleTimeout, other.Retry);
        (MaxRequestBytes, MaxResponseBytes) = (other.MaxRequestBytes, other.MaxResponseBytes);
        (Compression, UseProxy, WatchHealth) = (other.Compression, other.UseProxy, other.WatchHealth);
        (HandlerFactory, LoggerFactory, MeterFactory) = (other.HandlerFactory, other.LoggerFactory, other.MeterFactory);
        foreach (var address in other.Addresses)
        {
            Addresses.Add(address);
        }

        foreach (var header in other.Headers)
        {
            Headers[header.Key] = header.Value;
        }
    }
}

/// <summary>How requests are compressed.</summary>
public enum RequestCompression
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>By gzip.</summary>
    Gzip,
}
