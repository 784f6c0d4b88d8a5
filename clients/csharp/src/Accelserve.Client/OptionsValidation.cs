namespace Accelserve.Client;

/// <summary>What can be said of options without a network.</summary>
internal static class OptionsValidation
{
    /// <exception cref="ArgumentException">The message names the setting, what was expected and what was found.</exception>
    public static void Validate(PredictionClientOptions options)
    {
        var addresses = ServerAddress.ReadAll(options);
        Require(options.Timeout > TimeSpan.Zero || options.Timeout == Timeout.InfiniteTimeSpan,
            $"Timeout: expected more than 0, got {options.Timeout:c}.");
        Require(options.ConnectTimeout > TimeSpan.Zero, $"ConnectTimeout: expected more than 0, got {options.ConnectTimeout:c}.");
        Require(options.ConnectionLifetime > TimeSpan.Zero || options.ConnectionLifetime == Timeout.InfiniteTimeSpan,
            $"ConnectionLifetime: expected more than 0, got {options.ConnectionLifetime:c}.");
        Require(options.IdleTimeout > TimeSpan.Zero || options.IdleTimeout == Timeout.InfiniteTimeSpan,
            $"IdleTimeout: expected more than 0, got {options.IdleTimeout:c}.");
        Require(options.MaxRequestBytes > 0, $"MaxRequestBytes: expected more than 0, got {options.MaxRequestBytes}.");
        Require(options.MaxResponseBytes > 0, $"MaxResponseBytes: expected more than 0, got {options.MaxResponseBytes}.");
        Require(!string.IsNullOrEmpty(options.InputName), "InputName: expected a name, got an empty string.");
        options.Retry.Validate();
        options.Model.Validate();
        options.Tls?.Validate();
        ValidateHeaders(options);
        ValidateToken(options, addresses);
    }

    /// <summary>gRPC would fail inside the call, with a message that shows the token.</summary>
    public static void RequireHeaderText(string name, string text) =>
        Require(text.All(static letter => letter is >= ' ' and <= '~'), $"{name}: expected printable ASCII characters.");

    private static void ValidateHeaders(PredictionClientOptions options)
    {
        RequireHeaderText(nameof(options.ServiceName), options.ServiceName);
        foreach (var header in options.Headers)
        {
            RequireHeaderText($"Headers['{header.Key}']", header.Value);
        }
    }

    private static void ValidateToken(PredictionClientOptions options, IReadOnlyList<ServerAddress> addresses)
    {
        Require(options.AccessToken is null || options.AccessTokenProvider is null,
            "Give AccessToken or AccessTokenProvider, not both.");
        RequireHeaderText(nameof(options.AccessToken), options.AccessToken ?? "");
        if (string.IsNullOrEmpty(options.AccessToken) && options.AccessTokenProvider is null)
        {
            return;
        }

        var plain = addresses.FirstOrDefault(static address => !address.IsSecure && address.UnixPath is null);
        Require(plain is null || options.AllowAccessTokenOverPlainText,
            $"The key would go to {plain?.Target} without TLS, where anyone on the way can read it. Use https://, or set AllowAccessTokenOverPlainText.");
    }

    private static void Require(bool condition, string sentence)
    {
        if (!condition)
        {
            throw new ArgumentException(sentence);
        }
    }
}
