using System.Reflection;

namespace Accelserve.Client.Packages;

/// <summary>What the build knows.</summary>
internal static class Build
{
    public static string PackageFolder { get; } = MetadataOf("PackageFolder");

    public static string PackageVersion { get; } = MetadataOf("PackageVersion");

    public static string OpenTelemetryVersion { get; } = MetadataOf("OpenTelemetryVersion");

    public static string Repository { get; } = MetadataOf("Repository");

    private static string MetadataOf(string key) =>
        typeof(Build).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(attribute => string.Equals(attribute.Key, key, StringComparison.Ordinal)).Value!;
}
