using Accelserve.Client;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds checks of the servers behind <see cref="PredictionClient"/>s.</summary>
public static class PredictionClientHealthChecksBuilderExtensions
{
    /// <summary>Adds a check that asks a registered client's server whether it serves.</summary>
    /// <param name="builder">Where.</param>
    /// <param name="clientName">Of a named client; empty is the unnamed one.</param>
    /// <param name="name">Of the check; <c>accelserve</c>, with the client's name behind it if it has one, if none.</param>
    /// <param name="failureStatus">What the check reports when the server does not serve or cannot be asked; unhealthy if
    /// none.</param>
    /// <param name="tags">For filters.</param>
    /// <param name="timeout">For the check, the client's retries included; five seconds if none.</param>
    public static IHealthChecksBuilder AddPredictionClient(
        this IHealthChecksBuilder builder,
        string clientName = "",
        string? name = null,
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
    {
        var limit = timeout ?? TimeSpan.FromSeconds(5);
        return (builder ?? throw new ArgumentNullException(nameof(builder))).Add(new HealthCheckRegistration(
            name ?? (clientName.Length == 0 ? "accelserve" : $"accelserve-{clientName}"),
            provider => new PredictionClientHealthCheck(ClientOf(provider, clientName), limit),
            failureStatus,
            tags,
            limit));
    }

    private static PredictionClient ClientOf(IServiceProvider provider, string name) => name.Length == 0
        ? provider.GetRequiredService<PredictionClient>()
        : provider.GetRequiredKeyedService<PredictionClient>(name);
}
