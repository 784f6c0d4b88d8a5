using System.Diagnostics;
using Accelserve.Client;

namespace Score;

/// <summary>What came back for one picture, and how long it took.</summary>
internal sealed record Answer(string Picture, ReadOnlyMemory<byte> Image, Prediction Prediction, double Milliseconds)
{
    public static async Task<Answer> AskAsync(
        PredictionClient client, string picture, CallSettings settings, CancellationToken cancellationToken)
    {
        var image = await File.ReadAllBytesAsync(picture, cancellationToken);
        var begin = Stopwatch.GetTimestamp();
        var prediction = await client.ScoreImageAsync(image, settings, cancellationToken);
        return new Answer(picture, image, prediction, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
    }
}
