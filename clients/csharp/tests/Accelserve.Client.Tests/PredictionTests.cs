using Tensorflow.Serving;

namespace Accelserve.Client.Tests;

public sealed class PredictionTests
{
    [Fact]
    public void The_best_classes_come_first_and_equal_ones_in_order()
    {
        var prediction = Of(("scores", TensorData.Create(new[] { 0.1f, 0.4f, float.NaN, 0.4f, 0.05f })));
        Assert.Equal([(1, 0.4f), (3, 0.4f), (0, 0.1f)], prediction.TopK(3).Select(static best => (best.Index, best.Score)));
        Assert.Equal([1, 3, 0, 4, 2], prediction.TopK(99).Select(static best => best.Index));
        Assert.Equal("class 1", prediction.TopK(1)[0].Label);
        Assert.Equal("b", prediction.TopK(1, ["a", "b", "c", "d", "e"])[0].Label);
        Assert.Empty(prediction.TopK(0));
        Assert.Throws<ArgumentException>(() => prediction.TopK(1, ["a"]));
        Assert.Throws<ArgumentOutOfRangeException>(() => prediction.TopK(-1));
    }

    [Fact]
    public void A_response_of_a_generated_stub_is_read_too()
    {
        var response = new PredictResponse
        {
            Outputs =
            {
                ["b"] = TensorData.Create(new[] { 0.1f, 0.9f }, 1, 2).ToProto(),
                ["a"] = TensorData.Scalar(1L).ToProto(),
            },
        };
        Assert.Equal("a: DT_INT64 [], b: DT_FLOAT [1, 2]", Prediction.FromResponse(response).ToString());
        Assert.Equal(1, Prediction.FromResponse(response, ["b"]).TopK(1)[0].Index);
        Assert.Equal("c", Assert.Throws<UnexpectedResponseException>(() => Prediction.FromResponse(response, ["c"])).Output);
        Assert.Throws<UnexpectedResponseException>(() => Prediction.FromResponse(new PredictResponse()));
        Assert.Throws<ArgumentNullException>(() => Prediction.FromResponse(null!));
    }

    [Fact]
    public void Only_vectors_have_best_classes()
    {
        var prediction = Of(("map", TensorData.Create(new float[6], 2, 3)), ("names", TensorData.Strings(["a"])));
        Assert.Throws<InvalidOperationException>(() => prediction.TopK());
        Assert.Throws<InvalidOperationException>(() => prediction.TopK(output: "map"));
        Assert.Throws<InvalidCastException>(() => prediction.TopK(output: "names"));
        var missing = Assert.Throws<KeyNotFoundException>(() => prediction.TopK(output: "nothing"));
        Assert.Equal("No output 'nothing', only map, names.", missing.Message);
    }

    [Fact]
    public void Detections_have_labels_and_pixels()
    {
        var prediction = Of(
            ("detection_boxes", TensorData.Create(new[] { 0.1f, 0.2f, 0.5f, 1f, 0, 0, 1, 1, 0, 0, 0, 0 }, 3, 4)),
            ("detection_classes", TensorData.Create(new[] { 1f, 7f, 0f }, 3)),
            ("detection_scores", TensorData.Create(new[] { 0.9f, 0.6f, 0.99f }, 3)),
            ("num_detections", TensorData.Scalar(2f)));
        Assert.True(prediction.HasDetections);
        var found = prediction.Detections(["cat", "dog"]);
        Assert.Equal([("dog", 1), ("class 7", 7)], found.Select(static each => (each.Label, each.ClassIndex)));
        Assert.Equal(new PixelBox(20, 20, 100, 100), found[0].Box.ToPixels(100, 200));
        Assert.Single(prediction.Detections(minScore: 0.7f));
        Assert.Throws<InvalidOperationException>(() => Of(("x", TensorData.Scalar(1f))).Detections());
    }

    [Fact]
    public void A_batch_is_parted()
    {
        var batch = Of(("a", TensorData.Create(new[] { 1f, 2f, 3f, 4f }, 2, 2)), ("b", TensorData.Create(new[] { 5L, 6L }, 2)));
        var parts = batch.SplitBatch();
        Assert.Equal(2, parts.Count);
        Assert.Equal(new[] { 3f, 4f }, parts[1]["a"].GetMemory<float>().ToArray());
        Assert.Equal(6L, parts[1]["b"].GetMemory<long>().Span[0]);
        Assert.Throws<InvalidOperationException>(() => Of(("a", TensorData.Scalar(1f))).SplitBatch());
        Assert.Throws<InvalidOperationException>(
            () => Of(("a", TensorData.Create(new float[2])), ("b", TensorData.Create(new float[3]))).SplitBatch());
    }

    [Fact]
    public void Outputs_are_read_in_the_order_that_was_asked_for()
    {
        var response = Response(("b", TensorData.Scalar(1f)), ("a", TensorData.Scalar(2f)));
        Assert.Equal(["a", "b"], Responses.Read(response, outputs: null, 1000).Keys);
        Assert.Equal(["b", "a"], Responses.Read(response, ["b", "a"], 1000).Keys);
        var missing = Assert.Throws<UnexpectedResponseException>(() => Responses.Read(response, ["c"], 1000));
        Assert.Equal(("c", "The response has no output 'c', only {a, b}."), (missing.Output, missing.Message));
        Assert.Throws<UnexpectedResponseException>(() => Responses.Read(new PredictResponse(), outputs: null, 1000));
        var large = Assert.Throws<UnexpectedResponseException>(() => Responses.Read(response, outputs: null, 3));
        Assert.IsType<TensorFormatException>(large.InnerException);
        Assert.Equal("a", large.Output);
    }

    [Fact]
    public void Every_failure_can_be_made_for_tests_of_other_code()
    {
        var exception = new CallFailure { StatusCode = Grpc.Core.StatusCode.NotFound, Details = "gone", Method = "/s/Predict", Target = "t" }.ToException();
        Assert.IsType<ModelNotFoundException>(exception);
        Assert.Equal("Predict at t failed: NOT_FOUND: gone", exception.Message);
    }

    private static Prediction Of(params (string Name, TensorData Tensor)[] outputs) =>
        Responses.Read(Response(outputs), outputs: null, 1 << 20);

    private static PredictResponse Response(params (string Name, TensorData Tensor)[] outputs)
    {
        var response = new PredictResponse();
        foreach (var (name, tensor) in outputs)
        {
            response.Outputs.Add(name, tensor.ToProto());
        }

        return response;
    }
}
