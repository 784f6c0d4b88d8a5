// What a user of the service's sample of 2018 wrote, with one "using" changed: "using CSharpClient;" is the last line.
#nullable disable
#pragma warning disable
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Grpc.Core;
using Grpc.Net.Client;
using Tensorflow;
using Tensorflow.Serving;
using Accelserve.Client.Compatibility;

namespace UserOf2018
{
    public class Program
    {
        public static async Task<float[]> ScoreAnImage(string host, int port, string path)
        {
            var client = new ScoringClient(host, port, useSsl: false, authKey: null);
            using (var content = File.OpenRead(path))
            {
                IScoringRequest request = new ImageRequest(content);
                return await client.ScoreAsync(request, retryCount: 3, output_name: "output_alias");
            }
        }

        public static async Task<float[,]> ScoreBatch(ChannelBase channel, params Stream[] images)
        {
            var client = new ScoringClient(channel);
            return await client.ScoreAsync<float[,]>(new ImageRequest("images", images), 10, "output_alias");
        }

        public static async Task<Dictionary<string, float[]>> ScoreFloats(string address)
        {
            var channel = GrpcChannel.ForAddress(address);
            IPredictionServiceClient stub = new PredictionServiceClientWrapper(new PredictionService.PredictionServiceClient(channel));
            var client = new ScoringClient(stub);
            var one = new FloatRequest(new Dictionary<string, float[]> { { "x", new[] { 1f, 2f } } });
            var two = new FloatRequest(new Dictionary<string, Tuple<float[], int[]>> { { "x", Tuple.Create(new[] { 1f, 2f }, new[] { 1, 2 }) } });
            await client.PredictAsync<float[]>(two);
            return await client.PredictAsync<float[]>(one, 10);
        }

        public static float Best(PredictResponse response)
        {
            float[] scores = response.Outputs["output_alias"].Convert<float[]>();
            return scores.Max();
        }
    }

    public class MyRequest : IScoringRequest
    {
        public PredictRequest MakePredictRequest()
        {
            return new PredictRequest { ModelSpec = new ModelSpec { Name = "model" } };
        }
    }

    public class MyStub : IPredictionServiceClient
    {
        public Task<PredictResponse> PredictAsync(PredictRequest request)
        {
            return Task.FromResult(new PredictResponse());
        }
    }
}
