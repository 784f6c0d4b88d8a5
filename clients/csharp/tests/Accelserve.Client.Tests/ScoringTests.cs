using Accelserve.Client.Tests.Peers;

namespace Accelserve.Client.Tests;

public sealed class ScoringTests
{
    [Fact]
    public async Task An_image_is_scored_and_loses_its_batch_dimension()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = new PredictionClient(peer.Address);

        var prediction = await client.ScoreImageAsync(new byte[] { 1, 2, 3 });

        Assert.Equal([], prediction.Output.Shape);
        Assert.Equal([3L], prediction.Output.GetMemory<long>().ToArray());
        Assert.Equal(("lengths", 7L), (prediction.ModelName, prediction.ModelVersion));
        var request = Assert.Single(peer.Service.Requests);
        Assert.Equal(new byte[] { 1, 2, 3 }, request.Inputs["images"].StringVal.Single().ToByteArray());
    }
}
