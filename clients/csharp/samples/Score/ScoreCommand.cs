using System.CommandLine;
using Accelserve.Client;

namespace Score;

/// <summary>The command line: what <c>accelserve predict</c> has, under the same names, and a quick load test.</summary>
internal static class ScoreCommand
{
    private const int Failed = 1;

    public static RootCommand Create()
    {
        var arguments = new Arguments();
        var command = new RootCommand("Send pictures to a server and print what it sees, with the milliseconds each took.");
        arguments.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                return await RunAsync(
                    arguments.Read(parsed), Console.Out, Console.Error, ConsoleTable.Width(), cancellationToken);
            }
            catch (Exception exception) when (exception is PredictionException or ArgumentException or IOException)
            {
                await Console.Error.WriteLineAsync($"score: {exception.Message}");
                return Failed;
            }
        });
        return command;
    }

    /// <summary>Asks for every picture and prints what came. A picture that cannot be read, or that the server refuses, is
    /// named and passed over; the exit code says that there was one.</summary>
    public static async Task<int> RunAsync(
        Request request, TextWriter output, TextWriter errors, int width, CancellationToken cancellationToken)
    {
        await using var client = new PredictionClient(request.Options);
        if (request.Load is { } load)
        {
            await output.WriteAsync(await load.RunAsync(client, request.Pictures, request.Settings, cancellationToken));
            return 0;
        }

        var labels = request.Labels
            ?? await client.LabelsAsync(new CallSettings { Model = request.Options.Model with { SignatureName = "" } }, cancellationToken);
        var rows = new List<IReadOnlyList<string[]>>();
        var exitCode = 0;
        foreach (var picture in request.Pictures)
        {
            try
            {
                var answer = await Answer.AskAsync(client, picture, request.Options.Model.SignatureName, request.Settings, cancellationToken);
                if (request.Json)
                {
                    await output.WriteLineAsync(JsonLines.Of(answer, labels, request.Top, request.MinScore));
                }
                else
                {
                    rows.Add(PictureRows.Of(answer, labels, request.Top, request.MinScore));
                }
            }
            catch (Exception exception) when (exception is InvalidRequestException or IOException or UnauthorizedAccessException)
            {
                await errors.WriteLineAsync($"score: {picture}: {exception.Message}");
                exitCode = Failed;
            }
        }

        if (rows.Count > 0)
        {
            await output.WriteAsync(ConsoleTable.Render(rows.SelectMany(static each => each), width));
        }

        return exitCode;
    }
}
