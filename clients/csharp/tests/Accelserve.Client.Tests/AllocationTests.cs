using Google.Protobuf;
using Grpc.Core;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client.Tests;

/// <summary>What a call allocates beyond the generated stub with the same request; no network, since that allocates by
/// itself.</summary>
public sealed class AllocationTests
{
    private const int Budget = 2048;

    [Theory]
    [InlineData(100_000)]
    [InlineData(8_000_000)]
    public async Task Scoring_an_image_costs_two_kilobytes_at_most_and_none_for_the_picture(int size)
    {
        var image = new byte[size];
        var invoker = new ReadyAnswer();
        var stub = new PredictionService.PredictionServiceClient(invoker);
        await using var client = new PredictionClient(invoker);

        var raw = await AllocatedAsync(() => stub.PredictAsync(Request(image)).ResponseAsync);
        var ours = await AllocatedAsync(() => client.ScoreImageAsync(image));

        Assert.InRange(ours - raw, 0, Budget);
    }

    /// <summary>Bytes a call, of many: tiered compilation and the like allocate once.</summary>
    private static async Task<long> AllocatedAsync(Func<Task> call)
    {
        const int Calls = 200;
        for (var i = 0; i < Calls; i++)
        {
            await call();
        }

        // Answers are ready, so that no call leaves this thread.
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Calls; i++)
        {
            await call();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / Calls;
    }

    private static PredictRequest Request(byte[] image) => new()
    {
        ModelSpec = new ModelSpec(),
        Inputs =
        {
            ["images"] = new TensorProto
            {
                Dtype = DataType.DtString,
                TensorShape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dim { Size = 1 } } },
                StringVal = { UnsafeByteOperations.UnsafeWrap(image) },
            },
        },
    };

    private sealed class ReadyAnswer : CallInvoker
    {
        private readonly Task<PredictResponse> _answer;

        public ReadyAnswer()
        {
            var scores = new TensorProto { Dtype = DataType.DtFloat, TensorShape = TensorShape.Write([1, 1001]) };
            scores.FloatVal.Add(new float[1001]);
            _answer = Task.FromResult(new PredictResponse { Outputs = { ["output_alias"] = scores } });
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => new(
            (Task<TResponse>)(object)_answer, Task.FromResult(Metadata.Empty), static () => Grpc.Core.Status.DefaultSuccess, static () => Metadata.Empty, static () => { });

        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => throw new NotSupportedException();

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) => throw new NotSupportedException();

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => throw new NotSupportedException();
    }
}
