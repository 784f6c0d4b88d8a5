using System.Diagnostics;
using Accelserve.Client;

namespace Score;

/// <summary>What came back for one picture, and how long it took.</summary>
internal sealed record Answer(
    string Picture, ReadOnlyMemory<byte> Image, Prediction Prediction, double Milliseconds, string SignatureName)
{
    private const string Features = "features";

    /// <summary>Whether an output has a number for each class. Features are a vector too, but of nothing that has a name.</summary>
    public bool HasScores(string output, IReadOnlyList<string> labels)
    {
        var tensor = Prediction[output];
        var isVector = tensor.Shape.Count(static size => size != 1) == 1;
        var isFloat = tensor.ElementType == typeof(float) || tensor.ElementType == typeof(double) || tensor.ElementType == typeof(Half);
        return isVector && isFloat && (labels.Count == 0 || labels.Count == tensor.Count)
            && output is not Features && SignatureName is not Features;
    }

    public static async Task<Answer> AskAsync(
        PredictionClient client, string picture, string signatureName, CallSettings settings, CancellationToken cancellationToken)
    {
        var image = await File.ReadAllBytesAsync(picture, cancellationToken);
        var begin = Stopwatch.GetTimestamp();
        var prediction = await client.ScoreImageAsync(image, settings, cancellationToken);
        return new Answer(picture, image, prediction, Stopwatch.GetElapsedTime(begin).TotalMilliseconds, signatureName);
    }
}
