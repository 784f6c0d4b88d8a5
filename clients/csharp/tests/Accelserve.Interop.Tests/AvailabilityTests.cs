using Accelserve.Client;

namespace Accelserve.Interop.Tests;

public sealed class AvailabilityTests
{
    private static readonly byte[] _image = File.ReadAllBytes(World.Photographs[0]);

    [Fact]
    public async Task A_deadline_ends_a_call_and_the_server_counts_it()
    {
        await using var server = await Server.StartAsync(0, World.NetworkFlags);
        await using var client = new PredictionClient(server.Address);
        var batch = Enumerable.Repeat(new ReadOnlyMemory<byte>(_image), 512).ToList();

        await client.ScoreImageAsync(_image);
        // Between the time in which this machine sends the pictures and that in which it answers them.
        var timeout = TimeSpan.FromSeconds(1);
        for (var (late, arrived) = (default(Exception), false); late is null || !arrived;)
        {
            arrived = false;
            var call = client.ScoreImagesAsync(batch, new CallSettings { Timeout = timeout });
            await UntilAsync(async () => call.IsCompleted || (arrived = await server.MetricAsync("accelserve_waiting_images") > 0));
            late = await Record.ExceptionAsync(() => call);
            if (late is not null)
            {
                Assert.Equal(Grpc.Core.StatusCode.DeadlineExceeded, Assert.IsAssignableFrom<CallException>(late).StatusCode);
            }

            timeout *= late is null ? 0.5 : 3;
        }

        await UntilAsync(async () => await CountAsync(server, "DEADLINE_EXCEEDED") + await CountAsync(server, "CANCELLED") >= 1);
        Assert.NotEmpty((await client.ScoreImageAsync(_image)).Output.ToSingles());
    }

    [Fact]
    public async Task A_cancellation_reaches_the_server()
    {
        await using var server = await Server.StartAsync(0, World.NetworkFlags);
        await using var client = new PredictionClient(server.Address);
        await client.ScoreImageAsync(_image);
        using var giveUp = new CancellationTokenSource();
        var batch = Enumerable.Repeat(new ReadOnlyMemory<byte>(_image), 512).ToList();

        var call = client.ScoreImagesAsync(batch, cancellationToken: giveUp.Token);
        // The server has the request when its pictures wait.
        await UntilAsync(async () => call.IsCompleted || await server.MetricAsync("accelserve_waiting_images") > 0);
        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await UntilAsync(async () => await CountAsync(server, "CANCELLED") >= 1);
    }

    [Fact]
    public async Task Two_servers_one_killed_and_one_drained_under_load_lose_no_call()
    {
        var (first, second) = (await Server.StartAsync(0, World.NetworkFlags), await Server.StartAsync(0, World.NetworkFlags));
        await using var client = new PredictionClient($"{first.Address},{second.Address}");
        using var stop = new CancellationTokenSource();
        var answered = 0;
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await client.ScoreImageAsync(_image);
                Interlocked.Increment(ref answered);
            }
        })));

        await MoreAsync(20);
        await first.KillAsync();
        await MoreAsync(40);
        await using var firstAgain = await Server.StartAsync(first.Port, World.NetworkFlags);
        await UntilAsync(async () => load.IsCompleted || await CountAsync(firstAgain, "OK") >= 5);
        Assert.Equal(0, await second.DrainAsync());
        await MoreAsync(40);
        await using var secondAgain = await Server.StartAsync(second.Port, World.NetworkFlags);
        await UntilAsync(async () => load.IsCompleted || await CountAsync(secondAgain, "OK") >= 5);
        await stop.CancelAsync();

        await load; // a failed call would be thrown here
        await first.DisposeAsync();
        await second.DisposeAsync();

        async Task MoreAsync(int calls)
        {
            var goal = Volatile.Read(ref answered) + calls;
            await UntilAsync(() => Task.FromResult(load.IsCompleted || Volatile.Read(ref answered) >= goal));
        }
    }

    private static async Task<double> CountAsync(Server server, string status) =>
        await server.MetricAsync($":tensorflow:serving:request_count{{model_name=\"{World.NetworkName}\",status=\"{status}\"}}");

    /// <summary>Looks again and again: what a server has counted tells no one by itself.</summary>
    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(240));
        while (!await condition())
        {
            await Task.Delay(20, patience.Token);
        }
    }
}
