using System.Diagnostics;
using Accelserve.Client.Tests.Peers;
using Grpc.Core;
using Grpc.Health.V1;

namespace Accelserve.Client.Tests;

/// <summary>Several addresses: in turn, without those that do not serve.</summary>
public sealed class SeveralServersTests
{
    private static readonly byte[] _image = [1, 2, 3];

    [Fact]
    public async Task Calls_are_shared_in_turn()
    {
        await using var one = await Peer.StartAsync();
        await using var two = await Peer.StartAsync();
        await using var client = Clients.Of($"{one.Address},{two.Address}");
        for (var i = 0; i < 10; i++)
        {
            await client.ScoreImageAsync(_image);
        }

        Assert.Equal((5, 5), (one.Service.Requests.Count, two.Service.Requests.Count));
    }

    [Fact]
    public async Task A_dead_server_costs_no_call()
    {
        var dead = await Peer.StartAsync();
        await dead.DisposeAsync();
        await using var alive = await Peer.StartAsync();
        await using var client = Clients.Of($"{dead.Address},{alive.Address}");
        for (var i = 0; i < 10; i++)
        {
            await client.ScoreImageAsync(_image);
        }

        Assert.Equal(10, alive.Service.Requests.Count);
    }

    [Fact]
    public async Task A_server_that_drains_is_left_out_and_comes_back()
    {
        await using var one = await Peer.StartAsync();
        await using var two = await Peer.StartAsync();
        await using var client = Clients.Of($"{one.Address},{two.Address}");

        one.Health.SetStatus("", HealthCheckResponse.Types.ServingStatus.NotServing);
        await UntilAloneAsync(client, two, one);
        one.Health.SetStatus("", HealthCheckResponse.Types.ServingStatus.Serving);
        await UntilUsedAsync(client, one);
    }

    [Fact]
    public async Task When_no_server_says_that_it_serves_they_are_asked_all_the_same()
    {
        await using var one = await Peer.StartAsync();
        await using var two = await Peer.StartAsync();
        one.Health.SetStatus("", HealthCheckResponse.Types.ServingStatus.NotServing);
        two.Health.SetStatus("", HealthCheckResponse.Types.ServingStatus.NotServing);
        await using var client = Clients.Of($"{one.Address},{two.Address}");
        for (var i = 0; i < 10; i++)
        {
            await client.ScoreImageAsync(_image);
        }
    }

    [Fact]
    public async Task A_killed_server_fails_no_call_and_is_used_when_it_is_back()
    {
        var killed = await Peer.StartAsync();
        await using var other = await Peer.StartAsync();
        await using var client = Clients.Of(
            $"{killed.Address},{other.Address}", static options => options.Retry = new RetryPolicy());
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 8).Select(_ => LoadAsync(client, stop.Token)).ToArray();
        await Wait.UntilAsync(() => killed.Service.Requests.Count > 20 && other.Service.Requests.Count > 20);

        await killed.DisposeAsync();
        var before = other.Service.Requests.Count;
        await Wait.UntilAsync(() => other.Service.Requests.Count > before + 100);
        await using var back = await Peer.StartAsync(new PeerSettings { Port = killed.Port });
        await Wait.UntilAsync(() => back.Service.Requests.Count > 20);

        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(load), static calls => Assert.True(calls > 0));
    }

    [Fact]
    public async Task A_single_server_is_used_when_it_is_back_however_many_calls_failed()
    {
        var gone = await Peer.StartAsync();
        await gone.DisposeAsync();
        await using var client = Clients.Of(
            gone.Address, static options => options.Retry = Clients.Patient with { MaxBackoff = TimeSpan.FromSeconds(1) });
        var waiting = client.ScoreImageAsync(_image);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Assert.ThrowsAsync<UnavailableException>(
            () => Clients.Of(gone.Address).ScoreImageAsync(_image))));
        await using var back = await Peer.StartAsync(new PeerSettings { Port = gone.Port });
        await waiting.WaitAsync(Wait.Patience);
    }

    [Fact]
    public async Task A_server_without_a_health_service_is_used()
    {
        await using var one = await Peer.StartAsync(new PeerSettings
        {
            Before = static (context, next) =>
                context.Request.Path.StartsWithSegments("/grpc.health.v1.Health", StringComparison.Ordinal)
                    ? Refuse(context)
                    : next(context),
        });
        await using var two = await Peer.StartAsync();
        await using var client = Clients.Of($"{one.Address},{two.Address}");
        await client.ScoreImageAsync(_image);
        await UntilUsedAsync(client, one);

        static Task Refuse(Microsoft.AspNetCore.Http.HttpContext context)
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "12";
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task A_retry_goes_to_another_server()
    {
        await using var failing = await Peer.StartAsync();
        await using var working = await Peer.StartAsync();
        failing.Service.Predict = Answers.Failing(int.MaxValue, StatusCode.Unavailable);
        await using var client = Clients.Of($"{failing.Address},{working.Address}", static options => options.Retry = Clients.Quick with { MaxAttempts = 2 });
        for (var i = 0; i < 10; i++)
        {
            await client.ScoreImageAsync(_image);
        }
    }

    [Fact]
    public async Task A_reload_reaches_every_server()
    {
        await using var one = await Peer.StartAsync();
        await using var two = await Peer.StartAsync();
        var asked = 0;
        foreach (var peer in new[] { one, two })
        {
            peer.Service.Reload = (_, _) =>
            {
                Interlocked.Increment(ref asked);
                return Task.FromResult(new Tensorflow.Serving.ReloadConfigResponse());
            };
        }

        await using var client = Clients.Of($"{one.Address},{two.Address}");
        await client.ReloadConfigAsync(new Tensorflow.Serving.ModelServerConfig());
        Assert.Equal(2, asked);
    }

    /// <summary>Calls until cancelled; a failed call fails the test.</summary>
    private static async Task<int> LoadAsync(PredictionClient client, CancellationToken stop)
    {
        var calls = 0;
        while (!stop.IsCancellationRequested)
        {
            await client.ScoreImageAsync(_image, cancellationToken: CancellationToken.None);
            calls++;
        }

        return calls;
    }

    private static async Task UntilUsedAsync(PredictionClient client, Peer peer)
    {
        var before = peer.Service.Requests.Count;
        var clock = Stopwatch.StartNew();
        while (peer.Service.Requests.Count == before)
        {
            Assert.True(clock.Elapsed < Wait.Patience, "It is not used.");
            await client.ScoreImageAsync(_image);
        }
    }

    private static async Task UntilAloneAsync(PredictionClient client, Peer alone, Peer leftOut)
    {
        var clock = Stopwatch.StartNew();
        var (others, own) = (-1, 0);
        while (others != leftOut.Service.Requests.Count || own < 10)
        {
            Assert.True(clock.Elapsed < Wait.Patience, "It is still used.");
            (others, own) = (leftOut.Service.Requests.Count, alone.Service.Requests.Count);
            for (var i = 0; i < 10; i++)
            {
                await client.ScoreImageAsync(_image);
            }

            own = alone.Service.Requests.Count - own;
        }
    }
}
