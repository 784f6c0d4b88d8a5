using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Accelserve.Client;

/// <summary>Certificates read from their files, once.</summary>
internal static class Certificates
{
    /// <summary>The authorities to trust; empty is the system's.</summary>
    /// <exception cref="ArgumentException">The file holds no certificate.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static X509Certificate2Collection Roots(TlsOptions? tls)
    {
        var roots = new X509Certificate2Collection();
        if (tls is null)
        {
            return roots;
        }

        roots.AddRange(tls.RootCertificates);
        if (tls.RootCertificatesFile is { } file)
        {
            var found = FromPem(File.ReadAllText(file));
            roots.AddRange(found.Count > 0
                ? found
                : throw new ArgumentException($"RootCertificatesFile: no PEM certificate in {file}."));
        }

        return roots;
    }

    /// <summary>The certificate to show, with its key, and those that lead to an authority.</summary>
    /// <exception cref="ArgumentException">Files that do not belong together.</exception>
    public static (X509Certificate2 Certificate, X509Certificate2Collection Chain)? Client(TlsOptions? tls)
    {
        if (tls?.ClientCertificate is { } given)
        {
            return (given, []);
        }

        if (tls?.ClientCertificateFile is not { } file)
        {
            return null;
        }

        try
        {
            return IsPkcs12(file) ? FromPkcs12(file, tls.ClientKeyPassword) : FromPemFiles(file, tls);
        }
        catch (System.Security.Cryptography.CryptographicException exception)
        {
            throw new ArgumentException($"ClientCertificateFile: {file} cannot be used: {exception.Message}", exception);
        }
    }

    private static bool IsPkcs12(string file) =>
        file.EndsWith(".pfx", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".p12", StringComparison.OrdinalIgnoreCase);

    private static (X509Certificate2 Certificate, X509Certificate2Collection Chain) FromPkcs12(string file, string? password)
    {
#if NET10_0_OR_GREATER
        var all = X509CertificateLoader.LoadPkcs12CollectionFromFile(file, password);
#else
        var all = new X509Certificate2Collection();
        all.Import(file, password, X509KeyStorageFlags.DefaultKeySet);
#endif
        var own = all.Cast<X509Certificate2>().FirstOrDefault(static each => each.HasPrivateKey)
            ?? throw new ArgumentException($"ClientCertificateFile: no private key in {file}.");
        all.Remove(own);
        return (own, all);
    }

#if NET
    private static (X509Certificate2 Certificate, X509Certificate2Collection Chain) FromPemFiles(string file, TlsOptions tls)
    {
        var own = tls.ClientKeyPassword is { } password
            ? X509Certificate2.CreateFromEncryptedPemFile(file, password, tls.ClientKeyFile)
            : X509Certificate2.CreateFromPemFile(file, tls.ClientKeyFile);
        var chain = FromPem(File.ReadAllText(file));
        chain.RemoveAt(0);
        return (OperatingSystem.IsWindows() ? Stored(own) : own, chain);
    }

    /// <summary>Windows does not use a key that lives in memory alone.</summary>
    private static X509Certificate2 Stored(X509Certificate2 certificate)
    {
        var bytes = certificate.Export(X509ContentType.Pkcs12);
#if NET10_0_OR_GREATER
        return X509CertificateLoader.LoadPkcs12(bytes, password: null);
#else
        return new X509Certificate2(bytes);
#endif
    }

    private static X509Certificate2Collection FromPem(string text)
    {
        var found = new X509Certificate2Collection();
        found.ImportFromPem(text);
        return found;
    }
#else
    private static (X509Certificate2 Certificate, X509Certificate2Collection Chain) FromPemFiles(string file, TlsOptions tls) =>
        throw new PlatformNotSupportedException(
            $"ClientCertificateFile: PEM keys ({tls.ClientKeyFile ?? file}) need .NET 8 or newer; use a PKCS#12 file or ClientCertificate.");

    private static X509Certificate2Collection FromPem(string text)
    {
        const string begin = "-----BEGIN CERTIFICATE-----";
        const string end = "-----END CERTIFICATE-----";
        var found = new X509Certificate2Collection();
        var start = text.IndexOf(begin, StringComparison.Ordinal);
        while (start >= 0)
        {
            start += begin.Length;
            var stop = text.IndexOf(end, start, StringComparison.Ordinal);
            if (stop < 0)
            {
                break;
            }

            found.Add(new X509Certificate2(Convert.FromBase64String(text.Substring(start, stop - start))));
            start = text.IndexOf(begin, stop, StringComparison.Ordinal);
        }

        return found;
    }
#endif
}
