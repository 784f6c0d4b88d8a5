using Accelserve.Client.Tests.Peers;
using Grpc.Core;

namespace Accelserve.Client.Tests;

/// <summary>Folders of pictures.</summary>
public sealed class FilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("accelserve-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 3)]
    [InlineData(7, 2)]
    [InlineData(100, 100)]
    public async Task Answers_come_in_the_order_of_the_files(int batchSize, int concurrency)
    {
        var paths = Write(23);
        File.WriteAllText(Path.Combine(_folder, "notes.txt"), "no picture");
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        var answers = await ReadAsync(client.ScoreFolderAsync(_folder, new BatchSettings { BatchSize = batchSize, Concurrency = concurrency }));
        Assert.Equal(paths, answers.Select(static answer => answer.Path));
        Assert.Equal(Enumerable.Range(1, 23).Select(static i => (long)i), answers.Select(Length));
        Assert.Equal((23 + batchSize - 1) / batchSize, peer.Service.Requests.Count);
    }

    [Fact]
    public async Task Every_kind_of_picture_that_the_server_reads_is_taken()
    {
        foreach (var name in new[] { "a.jpg", "b.JPEG", "c.png", "d.gif", "e.bmp", "f.webp", "g.txt", "h" })
        {
            File.WriteAllBytes(Path.Combine(_folder, name), [1]);
        }

        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        var answers = await ReadAsync(client.ScoreFolderAsync(_folder));
        Assert.Equal(
            ["a.jpg", "b.JPEG", "c.png", "d.gif", "e.bmp", "f.webp"],
            answers.Select(static answer => Path.GetFileName(answer.Path)));
    }

    [Fact]
    public async Task No_more_requests_are_under_way_than_allowed()
    {
        Write(40);
        await using var peer = await Peer.StartAsync();
        var (now, most) = (0, 0);
        peer.Service.Predict = async (request, _) =>
        {
            var under = Interlocked.Increment(ref now);
            most = Math.Max(most, under);
            await Task.Yield();
            Interlocked.Decrement(ref now);
            return Answers.Lengths(request);
        };
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(40, (await ReadAsync(client.ScoreFolderAsync(_folder, new BatchSettings { BatchSize = 2, Concurrency = 3 }))).Count);
        Assert.InRange(most, 1, 3);
    }

    [Fact]
    public async Task One_bad_picture_and_one_missing_file_disturb_no_other()
    {
        var paths = Write(20).ToList();
        paths.Insert(5, Path.Combine(_folder, "missing.jpg"));
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = static (request, _) =>
            request.Inputs["images"].StringVal.Any(static image => image.Length == 13)
                ? throw new RpcException(new Status(StatusCode.InvalidArgument, "Invalid JPEG data or crop window."))
                : Task.FromResult(Answers.Lengths(request));
        await using var client = Clients.Of(peer.Address);
        var answers = await ReadAsync(client.ScoreFilesAsync(paths, new BatchSettings { BatchSize = 8, Concurrency = 2 }));
        Assert.Equal(paths, answers.Select(static answer => answer.Path));
        Assert.Equal([5, 13], Enumerable.Range(0, 21).Where(i => answers[i].Error is not null));
        Assert.IsType<FileNotFoundException>(answers[5].Error);
        Assert.IsType<InvalidRequestException>(answers[13].Error);
        Assert.All(answers, static answer => Assert.True(answer.Prediction is null != answer.Error is null));
    }

    [Fact]
    public async Task Other_failures_are_thrown_and_the_rest_is_stopped()
    {
        Write(20);
        await using var peer = await Peer.StartAsync();
        peer.Service.Predict = Answers.Failing(int.MaxValue, StatusCode.PermissionDenied);
        await using var client = Clients.Of(peer.Address);
        await Assert.ThrowsAsync<AccessDeniedException>(
            () => ReadAsync(client.ScoreFolderAsync(_folder, new BatchSettings { BatchSize = 1, Concurrency = 2 })));
        Assert.InRange(peer.Service.Requests.Count, 1, 2);
    }

    [Fact]
    public async Task Who_stops_reading_stops_sending()
    {
        Write(30);
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        await foreach (var answer in client.ScoreFolderAsync(_folder, new BatchSettings { BatchSize = 1, Concurrency = 2 }))
        {
            Assert.NotNull(answer.Prediction);
            break;
        }

        Assert.InRange(peer.Service.Requests.Count, 1, 3);
        await Assert.ThrowsAsync<ArgumentException>(() => ReadAsync(client.ScoreFolderAsync(_folder, new BatchSettings { BatchSize = 0 })));
    }

    [Fact]
    public async Task A_file_is_scored()
    {
        var path = Write(3)[2];
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(3L, (await client.ScoreFileAsync(path)).Output.GetMemory<long>().Span[0]);
        await Assert.ThrowsAsync<FileNotFoundException>(() => client.ScoreFileAsync(path + "x"));
    }

    /// <summary>Files of 1, 2, ... bytes, sorted by name.</summary>
    private string[] Write(int count)
    {
        var paths = Enumerable.Range(1, count).Select(i => Path.Combine(_folder, $"{i:D3}.{(i % 2 == 0 ? "jpg" : "PNG")}")).ToArray();
        for (var i = 0; i < count; i++)
        {
            File.WriteAllBytes(paths[i], new byte[i + 1]);
        }

        return paths;
    }

    private static long Length(FilePrediction answer) => answer.Prediction!.Output.GetMemory<long>().Span[0];

    private static async Task<List<FilePrediction>> ReadAsync(IAsyncEnumerable<FilePrediction> answers)
    {
        var read = new List<FilePrediction>();
        await foreach (var answer in answers)
        {
            read.Add(answer);
        }

        return read;
    }
}
