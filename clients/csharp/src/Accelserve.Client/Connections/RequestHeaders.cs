using Grpc.Core;

namespace Accelserve.Client;

/// <summary>What every call carries.</summary>
internal sealed class RequestHeaders
{
    private readonly PredictionClientOptions _options;
    private readonly Metadata? _fixed;
    private volatile Tuple<string, Metadata>? _latest;

    public RequestHeaders(PredictionClientOptions options)
    {
        _options = options;
        _fixed = options.AccessTokenProvider is null ? Create(options.AccessToken) : null;
    }

    /// <summary>The headers of an attempt; shared, not to be changed.</summary>
    /// <exception cref="InvalidOperationException">The provider gives a key that no header can carry.</exception>
    public ValueTask<Metadata> GetAsync(CancellationToken cancellationToken) =>
        _fixed is not null ? new ValueTask<Metadata>(_fixed) : FetchAsync(cancellationToken);

    private async ValueTask<Metadata> FetchAsync(CancellationToken cancellationToken)
    {
        var token = await _options.AccessTokenProvider!(cancellationToken).ConfigureAwait(false);
        if (_latest is { } latest && string.Equals(latest.Item1, token, StringComparison.Ordinal))
        {
            return latest.Item2;
        }

        try
        {
            OptionsValidation.RequireHeaderText("AccessTokenProvider", token ?? "");
        }
        catch (ArgumentException exception)
        {
            throw new InvalidOperationException(exception.Message, exception);
        }

        var headers = Create(token);
        _latest = Tuple.Create(token ?? "", headers);
        return headers;
    }

    private Metadata Create(string? token)
    {
        var headers = new Metadata();
        if (!string.IsNullOrEmpty(token))
        {
            headers.Add("authorization", $"Bearer {token}");
        }

        if (_options.ServiceName.Length > 0)
        {
            headers.Add("x-ms-aml-grpc-service-route", $"/api/v1/service/{_options.ServiceName}");
        }

        if (_options.Compression == RequestCompression.Gzip)
        {
            // Grpc.Net.Client's switch for one call; it does not go out.
            headers.Add("grpc-internal-encoding-request", "gzip");
        }

        foreach (var header in _options.Headers)
        {
            headers.Add(header.Key, header.Value);
        }

        return headers;
    }
}
