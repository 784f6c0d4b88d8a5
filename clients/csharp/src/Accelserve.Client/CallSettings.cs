namespace Accelserve.Client;

/// <summary>What one call wants otherwise than its client. Immutable; may be shared by any number of calls.</summary>
public sealed record CallSettings
{
    /// <summary>Which model answers, instead of the client's own selection.</summary>
    public ModelSelection? Model { get; init; }

    /// <summary>Time for the call with all its attempts, instead of the client's;
    /// <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> sets no limit.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Name of the model's input for images, instead of the client's.</summary>
    public string? InputName { get; init; }

    /// <summary>Names of the outputs that are wanted, in that order; <see langword="null"/> is all, sorted by name.</summary>
    public IReadOnlyList<string>? Outputs { get; init; }
}
