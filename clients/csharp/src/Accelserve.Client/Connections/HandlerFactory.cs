using System.Net.Security;
using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;

namespace Accelserve.Client;

/// <summary>HTTP handlers: what connects, encrypts and pools.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Security", "MA0039", Justification = ".NET Standard has no trust store of one's own; the check is a full one.")]
internal static class HandlerFactory
{
#if NET
    public static HttpMessageHandler Create(ServerAddress address, PredictionClientOptions options)
    {
        var connector = new Connector(address, options.Tls?.ServerName, options.ConnectTimeout);
        var handler = new SocketsHttpHandler
        {
            // A handler of one's own has one connection otherwise, and callers beyond its streams wait.
            EnableMultipleHttp2Connections = true,
            // With a callback gRPC leaves connecting to the handler, which tries at every call, and at once. Its own
            // subchannels wait longer and longer between attempts, two minutes in the end, and fail every call meanwhile.
            ConnectCallback = connector.ConnectAsync,
            PooledConnectionLifetime = options.ConnectionLifetime,
            PooledConnectionIdleTimeout = options.IdleTimeout,
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = ProxyRules.Allow(address, options),
        };
        if (address.IsSecure)
        {
            handler.SslOptions = Tls(options.Tls);
        }

        return handler;
    }

    private static SslClientAuthenticationOptions Tls(TlsOptions? tls)
    {
        var options = new SslClientAuthenticationOptions();
        if (tls is null)
        {
            return options;
        }

        options.CertificateRevocationCheckMode = tls.RevocationMode;
        if (Certificates.Roots(tls) is { Count: > 0 } roots)
        {
            // The policy, unlike a callback, keeps the check of the name.
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = tls.RevocationMode,
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        if (Certificates.Client(tls) is { } client)
        {
            options.ClientCertificateContext = SslStreamCertificateContext.Create(client.Certificate, client.Chain, offline: true);
        }

        return options;
    }
#else
    public static HttpMessageHandler Create(ServerAddress address, PredictionClientOptions options)
    {
        Require(
            !RuntimeInformation.FrameworkDescription.StartsWith(".NET Framework", StringComparison.Ordinal),
            "HTTP/2 without a WinHttpHandler needs");
        Require(address.UnixPath is null, "Unix sockets need");
        Require(options.Tls?.ServerName is null, "Tls.ServerName needs");
        var handler = new HttpClientHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = ProxyRules.Allow(address, options),
        };
        if (options.Tls is { } tls && address.IsSecure)
        {
            handler.CheckCertificateRevocationList = tls.RevocationMode != X509RevocationMode.NoCheck;
            if (Certificates.Client(tls) is { } client)
            {
                handler.ClientCertificateOptions = ClientCertificateOption.Manual;
                handler.ClientCertificates.Add(client.Certificate);
            }

            if (Certificates.Roots(tls) is { Count: > 0 } roots)
            {
                handler.ServerCertificateCustomValidationCallback = (_, certificate, _, errors) =>
                    IsTrusted(certificate, errors, roots, tls.RevocationMode);
            }
        }

        return handler;
    }

    private static void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw new PlatformNotSupportedException($"{what} .NET 8 or newer; give a HandlerFactory here.");
        }
    }

    /// <summary>Whether a certificate leads to one of our authorities and has the right name; this target has no trust
    /// store of one's own.</summary>
    private static bool IsTrusted(
        X509Certificate2? certificate, SslPolicyErrors errors, X509Certificate2Collection roots, X509RevocationMode revocation)
    {
        if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = revocation;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        chain.ChainPolicy.ExtraStore.AddRange(roots);
        if (!chain.Build(certificate))
        {
            return false;
        }

        // "Unknown authority" was allowed, so that the chain may end in one of ours; it must.
        var last = chain.ChainElements[chain.ChainElements.Count - 1].Certificate.RawData;
        return roots.Cast<X509Certificate2>().Any(root => root.RawData.AsSpan().SequenceEqual(last));
    }
#endif
}

/// <summary>When the system's proxy is used.</summary>
internal static class ProxyRules
{
    /// <summary>Only with TLS, which a proxy passes through a tunnel; HTTP/2 without it cannot pass one.</summary>
    public static bool Allow(ServerAddress address, PredictionClientOptions options) =>
        options.UseProxy && address.IsSecure && !address.IsLoopback && options.Tls?.ServerName is null;
}
