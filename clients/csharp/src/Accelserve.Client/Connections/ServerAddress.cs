using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Accelserve.Client;

/// <summary>One server: where it is, and whether the way is encrypted.</summary>
internal sealed record ServerAddress
{
    private const string UnixPrefix = "unix:";

    private ServerAddress(string host, int port, bool isSecure, string? unixPath)
    {
        Host = host;
        Port = port;
        IsSecure = isSecure;
        UnixPath = unixPath;
    }

    /// <summary>A name or an IP address, without brackets.</summary>
    public string Host { get; }

    public int Port { get; }

    public bool IsSecure { get; }

    /// <summary>Path of a Unix socket; <see langword="null"/> for a network address.</summary>
    public string? UnixPath { get; }

    /// <summary>As people write it: <c>localhost:8500</c>, <c>[::1]:8500</c>, <c>unix:/run/serve.sock</c>.</summary>
    public string Target => UnixPath is null
        ? $"{BracketedHost}:{Port.ToString(CultureInfo.InvariantCulture)}"
        : UnixPrefix + UnixPath;

    public bool IsLoopback =>
        UnixPath is not null
        || Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));

    private string BracketedHost => Host.Contains(':') ? $"[{Host}]" : Host;

    /// <summary>What the HTTP handler is asked for.</summary>
    /// <param name="serverName">The name in the certificate, where it is not the address.</param>
    public Uri UriFor(string? serverName)
    {
        var host = serverName ?? (UnixPath is null ? BracketedHost : "localhost");
        return new Uri($"{(IsSecure ? "https" : "http")}://{host}:{Port.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>All addresses of a client.</summary>
    /// <exception cref="ArgumentException">None, or one that cannot be read.</exception>
    public static IReadOnlyList<ServerAddress> ReadAll(PredictionClientOptions options)
    {
        var texts = (options.Address ?? "").Split(',').Concat(options.Addresses).Select(static text => text.Trim()).ToList();
        if (options.Addresses.Count > 0 && string.IsNullOrWhiteSpace(options.Address))
        {
            // An empty Address stands back where Addresses says it all.
            texts.RemoveAt(0);
        }

        var isSecure = options.UseTls || options.Tls is not null;
        return [.. texts.Select(text => Read(text, options.Port, isSecure)).Distinct()];
    }

    /// <summary>Reads an address as the Python client does, and <c>http://</c> and <c>https://</c> too.</summary>
    /// <exception cref="ArgumentException">It cannot be read, or contradicts the rest.</exception>
    public static ServerAddress Read(string text, int? port, bool isSecure)
    {
        if (text.Length == 0)
        {
            throw new ArgumentException("Address: expected HOST:PORT, http://, https:// or unix:PATH, got an empty string.");
        }

        if (text.StartsWith(UnixPrefix, StringComparison.Ordinal))
        {
            return new ServerAddress("localhost", isSecure ? 443 : 80, isSecure, UnixPathOf(text));
        }

        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        if (scheme >= 0)
        {
            return ReadUri(text, text.Substring(0, scheme), text.Substring(scheme + 3), port, isSecure);
        }

        return ReadHost(text, text, port, isSecure);
    }

    private static string UnixPathOf(string text)
    {
        // unix:/path and unix:///path are the same.
        var path = text.Substring(UnixPrefix.Length);
        path = path.StartsWith("//", StringComparison.Ordinal) ? path.Substring(2) : path;
        return path.Length > 0 ? path : throw new ArgumentException($"Address: expected unix:PATH, got '{text}'.");
    }

    private static ServerAddress ReadUri(string text, string scheme, string rest, int? port, bool isSecure)
    {
        var saysSecure = scheme.Equals("https", StringComparison.OrdinalIgnoreCase);
        if (!saysSecure && !scheme.Equals("http", StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException($"Address: expected HOST:PORT, http://, https:// or unix:PATH, got '{text}'.");
        }

        if (!saysSecure && isSecure)
        {
            throw new ArgumentException($"'{text}' says that there is no TLS, and UseTls or Tls that there is.");
        }

        rest = rest.EndsWith("/", StringComparison.Ordinal) ? rest.Substring(0, rest.Length - 1) : rest;
        if (rest.Contains('/'))
        {
            throw new ArgumentException($"Address: expected no path behind the port, gRPC has its own, got '{text}'.");
        }

        return ReadHost(text, rest, port, saysSecure);
    }

    private static ServerAddress ReadHost(string text, string rest, int? port, bool isSecure)
    {
        var (host, ownPort) = SplitPort(rest);
        var chosen = ownPort ?? port ?? (isSecure ? 443 : 80);
        if (chosen is < 1 or > 65535)
        {
            throw new ArgumentException($"Port: expected 1 to 65535, got {chosen.ToString(CultureInfo.InvariantCulture)}.");
        }

        if (Uri.CheckHostName(host) == UriHostNameType.Unknown)
        {
            throw new ArgumentException($"Address: expected a host name or an IP address with or without a port, got '{text}'.");
        }

        return new ServerAddress(host, chosen, isSecure, unixPath: null);
    }

    private static (string Host, int? Port) SplitPort(string text)
    {
        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? text : text.Substring(0, colon);
        var isBracketed = host.StartsWith("[", StringComparison.Ordinal) && host.EndsWith("]", StringComparison.Ordinal);
        if (colon < 0 || (host.Contains(':') && !isBracketed))
        {
            return (text.TrimStart('[').TrimEnd(']'), null);
        }

        var digits = text.Substring(colon + 1);
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            throw new ArgumentException($"Port: expected 1 to 65535, got '{digits}'.");
        }

        return (isBracketed ? host.Substring(1, host.Length - 2) : host, port);
    }
}
