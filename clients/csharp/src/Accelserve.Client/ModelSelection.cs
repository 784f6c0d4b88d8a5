using System.Globalization;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>Which model answers. An empty selection is the server's only or default model, its newest version and its
/// default signature.</summary>
public sealed record ModelSelection
{
    /// <summary>Name of the model; empty is the server's only or default one.</summary>
    public string Name { get; init; } = "";

    /// <summary>Number of the version; <see langword="null"/> is the newest that is available.</summary>
    public long? Version { get; init; }

    /// <summary>Label of the version, instead of its number; empty is none.</summary>
    public string VersionLabel { get; init; } = "";

    /// <summary>Name of the signature; empty is <c>serving_default</c>.</summary>
    public string SignatureName { get; init; } = "";

    /// <summary>The message for it.</summary>
    /// <exception cref="ArgumentException">Both a version and a label are set.</exception>
    public ModelSpec ToModelSpec()
    {
        Validate();
        var spec = new ModelSpec { Name = Name, SignatureName = SignatureName };
        if (Version is { } version)
        {
            spec.Version = version;
        }
        else if (VersionLabel.Length > 0)
        {
            spec.VersionLabel = VersionLabel;
        }

        return spec;
    }

    internal void Validate()
    {
        if (Version is { } version && !string.IsNullOrEmpty(VersionLabel))
        {
            throw new ArgumentException(
                $"Either a version or a label selects, got version {version.ToString(CultureInfo.InvariantCulture)} and label '{VersionLabel}'.");
        }
    }
}
