using System.Diagnostics.Metrics;
using Accelserve.Client;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="PredictionClient"/>s.</summary>
/// <remarks>A client is a singleton, made when it is first asked for and closed with the container. Its settings are checked
/// when the host starts. The options builder that every method returns takes further settings, also from other services:
/// <c>.Configure&lt;KeyVault&gt;((options, vault) => options.AccessToken = vault.Key)</c>. Registering a name again adds
/// settings to the same client.</remarks>
public static class PredictionClientServiceCollectionExtensions
{
    /// <summary>Registers the client of this program, a <see cref="PredictionClient"/>.</summary>
    /// <param name="services">Where.</param>
    /// <param name="configure">Its settings; those that it leaves are the defaults.</param>
    /// <returns>For more settings.</returns>
    public static OptionsBuilder<PredictionClientOptions> AddPredictionClient(
        this IServiceCollection services, Action<PredictionClientOptions>? configure = null) =>
        Configured(AddUnnamed(services), configure);

    /// <summary>Registers the client of this program, a <see cref="PredictionClient"/>, with settings from the
    /// configuration.</summary>
    /// <param name="services">Where.</param>
    /// <param name="configuration">A section with the names of <see cref="PredictionClientOptions"/>' properties as its keys.
    /// Read once, when the client is made.</param>
    /// <returns>For more settings.</returns>
    public static OptionsBuilder<PredictionClientOptions> AddPredictionClient(
        this IServiceCollection services, IConfiguration configuration) =>
        Configured(AddUnnamed(services), configuration);

    /// <summary>Registers one client of several: a <see cref="PredictionClient"/> keyed by its name.</summary>
    /// <param name="services">Where.</param>
    /// <param name="name">The key of the service and the name of its options.</param>
    /// <param name="configure">Its settings; those that it leaves are the defaults.</param>
    /// <returns>For more settings.</returns>
    public static OptionsBuilder<PredictionClientOptions> AddPredictionClient(
        this IServiceCollection services, string name, Action<PredictionClientOptions>? configure = null) =>
        Configured(AddNamed(services, name), configure);

    /// <summary>Registers one client of several, keyed by its name, with settings from the configuration.</summary>
    /// <param name="services">Where.</param>
    /// <param name="name">The key of the service and the name of its options.</param>
    /// <param name="configuration">A section with the names of <see cref="PredictionClientOptions"/>' properties as its keys.
    /// Read once, when the client is made.</param>
    /// <returns>For more settings.</returns>
    public static OptionsBuilder<PredictionClientOptions> AddPredictionClient(
        this IServiceCollection services, string name, IConfiguration configuration) =>
        Configured(AddNamed(services, name), configuration);

    private static OptionsBuilder<PredictionClientOptions> AddUnnamed(IServiceCollection services)
    {
        (services ?? throw new ArgumentNullException(nameof(services))).TryAddSingleton(
            static provider => Create(provider, Options.Options.DefaultName));
        return AddOptions(services, Options.Options.DefaultName);
    }

    private static OptionsBuilder<PredictionClientOptions> AddNamed(IServiceCollection services, string name)
    {
        if (string.IsNullOrEmpty(name))
        {
            throw new ArgumentException("A client's name is not empty; leave it out for the only client.", nameof(name));
        }

        (services ?? throw new ArgumentNullException(nameof(services))).TryAddKeyedSingleton(
            name, static (provider, key) => Create(provider, (string)key!));
        return AddOptions(services, name);
    }

    private static OptionsBuilder<PredictionClientOptions> AddOptions(IServiceCollection services, string name)
    {
        services.TryAddSingleton<IValidateOptions<PredictionClientOptions>, OptionsCheck>();
        return services.AddOptions<PredictionClientOptions>(name).ValidateOnStart();
    }

    private static OptionsBuilder<PredictionClientOptions> Configured(
        OptionsBuilder<PredictionClientOptions> options, Action<PredictionClientOptions>? configure) =>
        configure is null ? options : options.Configure(configure);

    private static OptionsBuilder<PredictionClientOptions> Configured(
        OptionsBuilder<PredictionClientOptions> options, IConfiguration configuration)
    {
        if (configuration is null)
        {
            throw new ArgumentNullException(nameof(configuration));
        }

        return options.Configure(values => SettingsOf(configuration).ApplyTo(values));
    }

    private static PredictionClientSettings SettingsOf(IConfiguration configuration) =>
        configuration.Get<PredictionClientSettings>(static binder => binder.ErrorOnUnknownConfiguration = true) ?? new();

    private static PredictionClient Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<PredictionClientOptions>>().Get(name);
        options.LoggerFactory ??= provider.GetService<ILoggerFactory>();
        options.MeterFactory ??= provider.GetService<IMeterFactory>();
        return new PredictionClient(options);
    }

    /// <summary>The client's own check, at the host's start.</summary>
    private sealed class OptionsCheck : IValidateOptions<PredictionClientOptions>
    {
        public ValidateOptionsResult Validate(string? name, PredictionClientOptions options)
        {
            try
            {
                options.Validate();
                return ValidateOptionsResult.Success;
            }
            catch (ArgumentException exception)
            {
                var client = string.IsNullOrEmpty(name) ? "The prediction client" : $"The prediction client '{name}'";
                return ValidateOptionsResult.Fail($"{client}: {exception.Message}");
            }
        }
    }
}
