using Accelserve.Client.Tests.Peers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Health.V1;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client.Tests;

/// <summary>Everything that is no scoring.</summary>
public sealed class ModelTests
{
    [Fact]
    public async Task A_model_is_described()
    {
        await using var peer = await Peer.StartAsync();
        GetModelMetadataRequest? asked = null;
        peer.Service.Metadata = (request, _) =>
        {
            asked = request;
            var signature = new SignatureDef { MethodName = "tensorflow/serving/predict" };
            signature.Inputs["images"] = new TensorInfo { Name = "in:0", Dtype = DataType.DtString, TensorShape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dim { Size = -1 } } } };
            signature.Outputs["any"] = new TensorInfo { Dtype = DataType.DtFloat, TensorShape = new TensorShapeProto { UnknownRank = true } };
            var signatures = new SignatureDefMap { SignatureDef = { ["serving_default"] = signature } };
            return Task.FromResult(new GetModelMetadataResponse
            {
                ModelSpec = new ModelSpec { Name = "resnet", Version = 3 },
                Metadata = { ["signature_def"] = Any.Pack(signatures) },
            });
        };
        await using var client = Clients.Of(peer.Address, static options => options.Model = new ModelSelection { Name = "resnet", VersionLabel = "stable" });
        var description = await client.DescribeModelAsync();
        Assert.Equal(("resnet", 3L), (description.Name, description.Version));
        var signature = Assert.Single(description.Signatures).Value;
        Assert.Equal(new long?[] { null }, signature.Inputs["images"].Shape);
        Assert.Equal(("in:0", DataType.DtString), (signature.Inputs["images"].Name, signature.Inputs["images"].DataType));
        Assert.Null(signature.Outputs["any"].Shape);
        Assert.Equal(("resnet", "stable", "signature_def"), (asked!.ModelSpec.Name, asked.ModelSpec.VersionLabel, asked.MetadataField.Single()));

        peer.Service.Metadata = static (_, _) => Task.FromResult(new GetModelMetadataResponse());
        await Assert.ThrowsAsync<UnexpectedResponseException>(() => client.DescribeModelAsync());
    }

    [Fact]
    public async Task Labels_come_from_the_server_or_there_are_none()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        Assert.Empty(await client.LabelsAsync());
        peer.Service.Metadata = static (_, _) => Task.FromResult(new GetModelMetadataResponse
        {
            Metadata = { ["labels"] = Any.Pack(new TensorProto { Dtype = DataType.DtString, StringVal = { ByteString.CopyFromUtf8("Katze"), ByteString.CopyFromUtf8("猫") } }) },
        });
        Assert.Equal(["Katze", "猫"], await client.LabelsAsync());
        peer.Service.Metadata = static (_, _) => throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, "no model"));
        await Assert.ThrowsAsync<ModelNotFoundException>(() => client.LabelsAsync());
    }

    [Fact]
    public async Task Versions_are_listed_newest_first()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Status = static (_, _) => Task.FromResult(new GetModelStatusResponse
        {
            ModelVersionStatus =
            {
                new ModelVersionStatus { Version = 1, State = ModelVersionStatus.Types.State.End, Status = new StatusProto { ErrorCode = Tensorflow.Error.Code.Internal, ErrorMessage = "broken" } },
                new ModelVersionStatus { Version = 2, State = ModelVersionStatus.Types.State.Available },
            },
        });
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(
            [
                new VersionStatus(2, ModelVersionStatus.Types.State.Available, StatusCode.OK, ""),
                new VersionStatus(1, ModelVersionStatus.Types.State.End, StatusCode.Internal, "broken"),
            ],
            await client.ModelStatusAsync());
    }

    [Fact]
    public async Task Health_is_asked_for()
    {
        await using var peer = await Peer.StartAsync();
        await using var client = Clients.Of(peer.Address);
        Assert.Equal(ServerHealth.Serving, await client.CheckHealthAsync());
        peer.Health.SetStatus("", HealthCheckResponse.Types.ServingStatus.NotServing);
        Assert.Equal(ServerHealth.NotServing, await client.CheckHealthAsync());
        await Assert.ThrowsAsync<ModelNotFoundException>(() => client.CheckHealthAsync("no such service"));
    }

    [Fact]
    public async Task A_refused_reload_is_an_error_even_inside_a_success()
    {
        await using var peer = await Peer.StartAsync();
        peer.Service.Reload = static (_, _) => Task.FromResult(new ReloadConfigResponse
        {
            Status = new StatusProto { ErrorCode = Tensorflow.Error.Code.InvalidArgument, ErrorMessage = "no such folder" },
        });
        await using var client = Clients.Of(peer.Address);
        var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => client.ReloadConfigAsync(new ModelServerConfig()));
        Assert.Equal($"HandleReloadConfigRequest at {peer.Target} failed: INVALID_ARGUMENT: no such folder", exception.Message);
    }

    [Fact]
    public async Task A_derived_client_stands_in_for_a_real_one()
    {
        await using var client = new Fake();
        Assert.Equal("fake", client.Model.Name);
        await Assert.ThrowsAsync<NotSupportedException>(() => client.ScoreImageAsync(new byte[1]));
    }

    private sealed class Fake : PredictionClient
    {
        public override ModelSelection Model => new() { Name = "fake" };
    }
}
