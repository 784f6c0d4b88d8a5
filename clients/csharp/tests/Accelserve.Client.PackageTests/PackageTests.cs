using System.IO.Compression;
using System.Xml.Linq;
using Accelserve.Client.Tests.Peers;

namespace Accelserve.Client.Packages;

/// <summary>The packages in their folder; <c>make pack-csharp</c> writes them.</summary>
public sealed class PackageTests
{
    [Fact]
    public async Task An_empty_console_project_installs_it_and_asks_a_server()
    {
        await using var peer = await Peer.StartAsync();
        using var project = new UserProject("Microsoft.NET.Sdk", "", ("Accelserve.Client", Build.PackageVersion));
        project.Write("Program.cs", """
            await using var client = new Accelserve.Client.PredictionClient(args[0]);
            var prediction = await client.ScoreImageAsync(new byte[] { 1, 2, 3 });
            System.Console.WriteLine($"{prediction.ModelName}: {prediction.Output.GetMemory<long>().Span[0]}");
            """);
        var (code, output, errors) = await project.RunAsync("run", "--", peer.Address);
        Assert.True(code == 0, output + errors);
        Assert.EndsWith("lengths: 3", output.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Accelserve.Client")]
    [InlineData("Accelserve.Client.Extensions")]
    public void A_package_has_all_that_an_index_asks_for(string name)
    {
        using var package = ZipFile.OpenRead(Path.Combine(Build.PackageFolder, $"{name}.{Build.PackageVersion}.nupkg"));
        var entries = package.Entries.Select(static entry => entry.FullName).ToHashSet(StringComparer.Ordinal);
        foreach (var target in new[] { "netstandard2.0", "net8.0", "net10.0" })
        {
            Assert.Contains($"lib/{target}/{name}.dll", entries);
            Assert.Contains($"lib/{target}/{name}.xml", entries);
        }

        Assert.All(
            package.Entries.Where(static entry => entry.FullName.EndsWith(".dll", StringComparison.Ordinal)),
            static entry => Assert.DoesNotContain(Build.Repository, TextOf(entry), StringComparison.Ordinal));

        Assert.Contains("README.md", entries);
        Assert.Contains("LICENSE", entries);
        Assert.Contains("icon.png", entries);
        using var stream = package.GetEntry($"{name}.nuspec")!.Open();
        var dependencies = XDocument.Load(stream).Descendants()
            .Where(static element => string.Equals(element.Name.LocalName, "dependency", StringComparison.Ordinal))
            .Select(static element => (string?)element.Attribute("id"));
        Assert.DoesNotContain(dependencies, static id => id is "Grpc.Tools" or "PolySharp" || id!.Contains("Analyzer", StringComparison.Ordinal));

        using var symbols = ZipFile.OpenRead(Path.Combine(Build.PackageFolder, $"{name}.{Build.PackageVersion}.snupkg"));
        Assert.Contains(symbols.Entries, entry => string.Equals(entry.FullName, $"lib/net10.0/{name}.pdb", StringComparison.Ordinal));
    }

    /// <summary>The bytes, one letter each.</summary>
    private static string TextOf(ZipArchiveEntry entry)
    {
        using var reader = new StreamReader(entry.Open(), System.Text.Encoding.Latin1);
        return reader.ReadToEnd();
    }
}
