using System.Security.Cryptography.X509Certificates;

namespace Accelserve.Client;

/// <summary>Certificates: whom to trust, and what to show. Files are read when the client is made.</summary>
public sealed class TlsOptions
{
    /// <summary>PEM file of the authorities to trust, and no others; <see langword="null"/> is those of the system.</summary>
    public string? RootCertificatesFile { get; set; }

    /// <summary>Authorities to trust, in addition to those of <see cref="RootCertificatesFile"/>; empty with no file is
    /// those of the system.</summary>
    public X509Certificate2Collection RootCertificates { get; } = [];

    /// <summary>File of the client's certificate, for a server that asks for one: PEM, with those that lead to an
    /// authority behind it, or PKCS#12 (<c>.pfx</c>, <c>.p12</c>) with its key.</summary>
    public string? ClientCertificateFile { get; set; }

    /// <summary>PEM file of the client's key; with a PEM <see cref="ClientCertificateFile"/> or not at all.</summary>
    public string? ClientKeyFile { get; set; }

    /// <summary>Password of the PKCS#12 file or of the encrypted PEM key.</summary>
    public string? ClientKeyPassword { get; set; }

    /// <summary>The client's certificate with its key, instead of the files.</summary>
    public X509Certificate2? ClientCertificate { get; set; }

    /// <summary>The name in the server's certificate, where it is not the address.</summary>
    /// <remarks>Needs .NET 8 or newer. No proxy is used then, since it would be asked for that name.</remarks>
    public string? ServerName { get; set; }

    /// <summary>Whether revocation lists are asked; off by default, as everywhere in .NET.</summary>
    public X509RevocationMode RevocationMode { get; set; } = X509RevocationMode.NoCheck;

    internal void Validate()
    {
        if (ClientKeyFile is not null && ClientCertificateFile is null)
        {
            throw new ArgumentException("ClientKeyFile and ClientCertificateFile belong together: give both or neither.");
        }

        if (ClientCertificate is not null && ClientCertificateFile is not null)
        {
            throw new ArgumentException("Give ClientCertificate or ClientCertificateFile, not both.");
        }
    }
}
