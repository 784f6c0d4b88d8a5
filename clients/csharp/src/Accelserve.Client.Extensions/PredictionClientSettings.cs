using System.Security.Cryptography.X509Certificates;

namespace Accelserve.Client;

/// <summary>What a configuration may say of a client: every setting of <see cref="PredictionClientOptions"/> that can be
/// written down. A key that is none of these is refused, and one that is absent changes nothing.</summary>
internal sealed class PredictionClientSettings
{
    public string? Address { get; set; }

    public List<string>? Addresses { get; set; }

    public int? Port { get; set; }

    public bool? UseTls { get; set; }

    public TlsSettings? Tls { get; set; }

    public string? AccessToken { get; set; }

    public bool? AllowAccessTokenOverPlainText { get; set; }

    public string? ServiceName { get; set; }

    public Dictionary<string, string>? Headers { get; set; }

    public ModelSettings? Model { get; set; }

    public string? InputName { get; set; }

    public TimeSpan? Timeout { get; set; }

    public TimeSpan? ConnectTimeout { get; set; }

    public TimeSpan? ConnectionLifetime { get; set; }

    public TimeSpan? IdleTimeout { get; set; }

    public RetrySettings? Retry { get; set; }

    public int? MaxRequestBytes { get; set; }

    public int? MaxResponseBytes { get; set; }

    public RequestCompression? Compression { get; set; }

    public bool? UseProxy { get; set; }

    public bool? WatchHealth { get; set; }

    public void ApplyTo(PredictionClientOptions options)
    {
        ApplyPlace(options);
        ApplyCalls(options);
        ApplyConnections(options);
        Tls?.ApplyTo(options);
        options.Model = Model?.Over(options.Model) ?? options.Model;
        options.Retry = Retry?.Over(options.Retry) ?? options.Retry;
    }

    private void ApplyPlace(PredictionClientOptions options)
    {
        if (Address is not null)
        {
            // Not to be taken for set where it is not: then it is empty beside Addresses.
            options.Address = Address;
        }

        options.Port = Port ?? options.Port;
        options.UseTls = UseTls ?? options.UseTls;
        options.AccessToken = AccessToken ?? options.AccessToken;
        options.AllowAccessTokenOverPlainText = AllowAccessTokenOverPlainText ?? options.AllowAccessTokenOverPlainText;
        foreach (var address in Addresses ?? [])
        {
            options.Addresses.Add(address);
        }
    }

    private void ApplyCalls(PredictionClientOptions options)
    {
        options.ServiceName = ServiceName ?? options.ServiceName;
        options.InputName = InputName ?? options.InputName;
        options.Timeout = Timeout ?? options.Timeout;
        options.MaxRequestBytes = MaxRequestBytes ?? options.MaxRequestBytes;
        options.MaxResponseBytes = MaxResponseBytes ?? options.MaxResponseBytes;
        options.Compression = Compression ?? options.Compression;
        foreach (var header in Headers ?? [])
        {
            options.Headers[header.Key] = header.Value;
        }
    }

    private void ApplyConnections(PredictionClientOptions options)
    {
        options.ConnectTimeout = ConnectTimeout ?? options.ConnectTimeout;
        options.ConnectionLifetime = ConnectionLifetime ?? options.ConnectionLifetime;
        options.IdleTimeout = IdleTimeout ?? options.IdleTimeout;
        options.UseProxy = UseProxy ?? options.UseProxy;
        options.WatchHealth = WatchHealth ?? options.WatchHealth;
    }
}

/// <summary>See <see cref="TlsOptions"/>.</summary>
internal sealed class TlsSettings
{
    public string? RootCertificatesFile { get; set; }

    public string? ClientCertificateFile { get; set; }

    public string? ClientKeyFile { get; set; }

    public string? ClientKeyPassword { get; set; }

    public string? ServerName { get; set; }

    public X509RevocationMode? RevocationMode { get; set; }

    public void ApplyTo(PredictionClientOptions options)
    {
        var tls = options.Tls ??= new TlsOptions();
        tls.RootCertificatesFile = RootCertificatesFile ?? tls.RootCertificatesFile;
        tls.ClientCertificateFile = ClientCertificateFile ?? tls.ClientCertificateFile;
        tls.ClientKeyFile = ClientKeyFile ?? tls.ClientKeyFile;
        tls.ClientKeyPassword = ClientKeyPassword ?? tls.ClientKeyPassword;
        tls.ServerName = ServerName ?? tls.ServerName;
        tls.RevocationMode = RevocationMode ?? tls.RevocationMode;
    }
}

/// <summary>See <see cref="ModelSelection"/>.</summary>
internal sealed class ModelSettings
{
    public string? Name { get; set; }

    public long? Version { get; set; }

    public string? VersionLabel { get; set; }

    public string? SignatureName { get; set; }

    public ModelSelection Over(ModelSelection model) => model with
    {
        Name = Name ?? model.Name,
        Version = Version ?? model.Version,
        VersionLabel = VersionLabel ?? model.VersionLabel,
        SignatureName = SignatureName ?? model.SignatureName,
    };
}

/// <summary>See <see cref="RetryPolicy"/>.</summary>
internal sealed class RetrySettings
{
    public int? MaxAttempts { get; set; }

    public TimeSpan? InitialBackoff { get; set; }

    public TimeSpan? MaxBackoff { get; set; }

    public RetryPolicy Over(RetryPolicy policy) => policy with
    {
        MaxAttempts = MaxAttempts ?? policy.MaxAttempts,
        InitialBackoff = InitialBackoff ?? policy.InitialBackoff,
        MaxBackoff = MaxBackoff ?? policy.MaxBackoff,
    };
}
