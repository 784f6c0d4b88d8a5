using System.Runtime.CompilerServices;

namespace Accelserve.Client;

public partial class PredictionClient
{
    private static readonly string[] _pictureExtensions = [".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"];

    /// <summary>Scores the pictures in a folder (<c>.jpg</c>, <c>.jpeg</c>, <c>.png</c>, <c>.gif</c>, <c>.bmp</c>,
    /// <c>.webp</c>), sorted by name. See <see cref="ScoreFilesAsync"/>.</summary>
    /// <param name="folder">Not those below it.</param>
    /// <param name="batches">How many together.</param>
    /// <param name="settings">What these calls want otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public virtual IAsyncEnumerable<FilePrediction> ScoreFolderAsync(
        string folder,
        BatchSettings? batches = null,
        CallSettings? settings = null,
        CancellationToken cancellationToken = default)
    {
        var paths = Directory.EnumerateFiles(folder)
            .Where(static path => _pictureExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))
            .OrderBy(static path => path, StringComparer.Ordinal)
            .ToList();
        return ScoreFilesAsync(paths, batches, settings, cancellationToken);
    }

    /// <summary>Scores files, several in one request and several requests at once, and gives the answers in the order of
    /// the files. No more is read ahead than is under way.</summary>
    /// <param name="paths">Enumerated once, as answers are taken.</param>
    /// <param name="batches">How many together.</param>
    /// <param name="settings">What these calls want otherwise than the client.</param>
    /// <param name="cancellationToken">Gives up, and tells the server.</param>
    /// <returns>An answer for each file. A file that cannot be read, or a picture that the server refuses, has its error
    /// in it and disturbs no other; every other failure is thrown.</returns>
    public virtual async IAsyncEnumerable<FilePrediction> ScoreFilesAsync(
        IEnumerable<string> paths,
        BatchSettings? batches = null,
        CallSettings? settings = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        batches ??= new BatchSettings();
        batches.Validate();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var underWay = new Queue<Task<IReadOnlyList<FilePrediction>>>();
        using var files = paths.GetEnumerator();
        try
        {
            var isMore = true;
            while (isMore || underWay.Count > 0)
            {
                while (isMore && underWay.Count < batches.Concurrency)
                {
                    var batch = Files.Take(files, batches.BatchSize);
                    isMore = batch.Count == batches.BatchSize;
                    if (batch.Count > 0)
                    {
                        underWay.Enqueue(ScoreBatchAsync(batch, settings, stop.Token));
                    }
                }

                if (underWay.Count == 0)
                {
                    break;
                }

                foreach (var answer in await underWay.Dequeue().ConfigureAwait(false))
                {
                    yield return answer;
                }
            }
        }
        finally
        {
            await EndAsync(underWay, stop).ConfigureAwait(false);
        }
    }

    /// <summary>Stops what nobody waits for any more; the reason is thrown already.</summary>
    private static async Task EndAsync(Queue<Task<IReadOnlyList<FilePrediction>>> underWay, CancellationTokenSource stop)
    {
#if NET
        await stop.CancelAsync().ConfigureAwait(false);
#else
        stop.Cancel();
#endif
        foreach (var task in underWay)
        {
            try
            {
                await task.ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is PredictionException or OperationCanceledException or ObjectDisposedException)
            {
                // Cancelled, or failed for the reason that ended the whole.
            }
        }
    }

    private async Task<IReadOnlyList<FilePrediction>> ScoreBatchAsync(
        List<string> paths, CallSettings? settings, CancellationToken cancellationToken)
    {
        var answers = new FilePrediction[paths.Count];
        var images = new List<(int Place, ReadOnlyMemory<byte> Bytes)>(paths.Count);
        for (var i = 0; i < answers.Length; i++)
        {
            try
            {
                images.Add((i, await Files.ReadAsync(paths[i], cancellationToken).ConfigureAwait(false)));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                answers[i] = new FilePrediction(paths[i], Prediction: null, exception);
            }
        }

        foreach (var (place, prediction, error) in await ScoreTogetherAsync(images, settings, cancellationToken).ConfigureAwait(false))
        {
            answers[place] = new FilePrediction(paths[place], prediction, error);
        }

        return answers;
    }

    private async Task<IReadOnlyList<(int Place, Prediction? Prediction, Exception? Error)>> ScoreTogetherAsync(
        List<(int Place, ReadOnlyMemory<byte> Bytes)> images, CallSettings? settings, CancellationToken cancellationToken)
    {
        if (images.Count == 0)
        {
            return [];
        }

        try
        {
            var batch = await ScoreImagesAsync(images.Select(static image => image.Bytes), settings, cancellationToken)
                .ConfigureAwait(false);
            return Parts(batch, images);
        }
        catch (InvalidRequestException exception) when (images.Count == 1)
        {
            return [(images[0].Place, null, exception)];
        }
        catch (InvalidRequestException)
        {
            // One picture spoils the batch; halves find it in few requests.
            var half = images.Count / 2;
            var first = await ScoreTogetherAsync(images.GetRange(0, half), settings, cancellationToken).ConfigureAwait(false);
            var second = await ScoreTogetherAsync(images.GetRange(half, images.Count - half), settings, cancellationToken)
                .ConfigureAwait(false);
            return [.. first, .. second];
        }
    }

    private static List<(int Place, Prediction? Prediction, Exception? Error)> Parts(
        Prediction batch, List<(int Place, ReadOnlyMemory<byte> Bytes)> images)
    {
        var parts = Responses.Split(batch, images.Count);
        return [.. images.Select((image, i) => (image.Place, (Prediction?)parts[i], (Exception?)null))];
    }
}
