using Score;

return await ScoreCommand.Create().Parse(args).InvokeAsync();
