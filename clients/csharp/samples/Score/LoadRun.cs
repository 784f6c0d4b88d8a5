using System.Diagnostics;
using System.Globalization;
using Accelserve.Client;
using HdrHistogram;

namespace Score;

/// <summary>A closed loop: each caller asks for the next picture when its last one is answered.</summary>
internal sealed class LoadRun(int callers, TimeSpan duration)
{
    private const long HighestMicroseconds = 3_600_000_000;
    private const int SignificantDigits = 3;

    public async Task<string> RunAsync(
        PredictionClient client, IReadOnlyList<string> pictures, CallSettings settings, CancellationToken cancellationToken)
    {
        var images = await Task.WhenAll(pictures.Select(picture => File.ReadAllBytesAsync(picture, cancellationToken)));
        await client.ScoreImageAsync(images[0], settings, cancellationToken); // the connection is made, the model is warm
        var times = new LongConcurrentHistogram(1, HighestMicroseconds, SignificantDigits);
        var errors = 0;
        var begin = Stopwatch.GetTimestamp();
        var loops = Enumerable.Range(0, callers).Select(caller => Task.Run(
            async () =>
            {
                for (var turn = caller; Stopwatch.GetElapsedTime(begin) < duration; turn++)
                {
                    var start = Stopwatch.GetTimestamp();
                    try
                    {
                        await client.ScoreImageAsync(images[turn % images.Length], settings, cancellationToken);
                        times.RecordValue(Math.Max(1, (long)Stopwatch.GetElapsedTime(start).TotalMicroseconds));
                    }
                    catch (CallException)
                    {
                        Interlocked.Increment(ref errors);
                    }
                }
            },
            cancellationToken));
        await Task.WhenAll(loops);
        return Report(times, errors, Stopwatch.GetElapsedTime(begin));
    }

    private string Report(LongConcurrentHistogram times, int errors, TimeSpan elapsed)
    {
        var rate = times.TotalCount / elapsed.TotalSeconds;
        string At(double percentile) =>
            (times.GetValueAtPercentile(percentile) / 1000.0).ToString("F2", CultureInfo.InvariantCulture);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{times.TotalCount} answers in {elapsed.TotalSeconds:F1} s by {callers} callers: {rate:F1} a second, {errors} errors\n"
            + $"ms: p50 {At(50)}  p90 {At(90)}  p99 {At(99)}  p99.9 {At(99.9)}  longest {At(100)}\n");
    }
}
