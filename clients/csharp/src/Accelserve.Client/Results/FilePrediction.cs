namespace Accelserve.Client;

/// <summary>The answer for one file of many.</summary>
/// <param name="Path">The file.</param>
/// <param name="Prediction">The answer, without the batch dimension; <see langword="null"/> if this file has none.</param>
/// <param name="Error">Why not: the file cannot be read, or the server refuses this picture.</param>
public sealed record FilePrediction(string Path, Prediction? Prediction, Exception? Error);

/// <summary>How many files are sent together, and how many requests at once.</summary>
public sealed record BatchSettings
{
    /// <summary>Pictures in one request, 1 or more.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Requests under way at the same time, 1 or more. Files are read no further ahead than that.</summary>
    public int Concurrency { get; init; } = 4;

    internal void Validate()
    {
        if (BatchSize < 1 || Concurrency < 1)
        {
            throw new ArgumentException($"BatchSize and Concurrency are at least 1, got {BatchSize} and {Concurrency}.");
        }
    }
}
